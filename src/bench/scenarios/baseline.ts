/** The bags of the two studies that this began with, and one that is long enough to tell engines apart from their start. */
import type { EngineId } from "../engines/samples.ts";
import { ableTo, type Part, type ScenarioRequest, SLOW, zfp, zlib } from "./scenario.ts";

export function baseline(request: ScenarioRequest, engines: readonly EngineId[]): Part[] {
  const { quick, workers } = request;
  const reps = request.reps ?? (quick ? 2 : 5);
  const corrected = request.tasks ?? (quick ? 100 : 2000);
  const small = { rounds: reps, warm: true, engines: null };
  return [
    { ...small, title: "first study: 24 × 2 MiB, zlib", workload: zlib(24, workers) },
    { ...small, title: "second study: 12 zfp tasks", workload: zfp(12, request) },
    { ...small, title: "second study: 24 zfp tasks", workload: zfp(24, request) },
    {
      title: `corrected: ${corrected} zfp tasks`,
      workload: zfp(corrected, request),
      rounds: reps,
      warm: true,
      engines: ableTo(corrected, SLOW, engines),
    },
  ];
}
