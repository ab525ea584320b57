/** Our own credentials never reach a task. */
const OURS = ["HOLDALL_TOKEN", "HOLDALL_TOKEN_FILE", "HOLDALL_ACCESS"];

/** What attempts inherit from this process. */
export function inheritedEnvironment(
  from: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const [name, value] of Object.entries(from))
    if (value !== undefined && !OURS.includes(name)) environment[name] = value;
  return environment;
}
