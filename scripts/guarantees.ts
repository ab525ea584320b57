// docs/guarantees.md names a test for every sentence, as `file` · "title". Here: which of them are not there.

export interface NamedTest {
  readonly line: number;
  readonly file: string;
  readonly title: string;
}

export function namedTests(document: string): NamedTest[] {
  const found: NamedTest[] = [];
  document.split("\n").forEach((text, index) => {
    for (const [, file, title] of text.matchAll(/`([^`\s]+\.ts)` · "([^"]+)"/g))
      found.push({ line: index + 1, file: file!, title: title! });
  });
  return found;
}

/**
 * Titles of the tests in a source, as patterns: what is filled in when it runs (`${…}`, %s, %d) stands for anything. A title is a
 * literal that is followed by a function, after `test` or what test.each and test.skipIf give back.
 */
export function titlesIn(source: string): RegExp[] {
  const calls =
    /(?:\btest|\))\(\s*(["'`])((?:\\.|(?!\1)[^\\])*)\1,\s*(?:async\b\s*)?(?:\(|\w+ =>)/g;
  return Array.from(source.matchAll(calls), ([, quote, raw]) => {
    const filledIn = quote === "`" ? /\$\{[^}]*\}/ : /%[sdpij]/;
    const fixed = raw!
      .split(filledIn)
      .map((part) => RegExp.escape(part.replaceAll(/\\(.)/g, "$1")));
    return new RegExp(`^${fixed.join(".+")}$`);
  });
}

/** Those that are not there, as `line: file has no test "title"`. `read` gives null for a file that is not there. */
export async function missingTests(
  document: string,
  read: (file: string) => Promise<string | null>,
): Promise<string[]> {
  const titles = new Map<string, RegExp[] | null>();
  const missing: string[] = [];
  for (const { line, file, title } of namedTests(document)) {
    if (!titles.has(file)) {
      const source = await read(file);
      titles.set(file, source === null ? null : titlesIn(source));
    }
    const known = titles.get(file)!;
    if (known === null) missing.push(`${line}: there is no ${file}`);
    else if (!known.some((each) => each.test(title)))
      missing.push(`${line}: ${file} has no test "${title}"`);
  }
  return missing;
}
