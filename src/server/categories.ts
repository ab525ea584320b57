/** What is known of the categories of a workflow: measured from what succeeded, and what tasks are given now. */
import { blockOf } from "../core/graph.ts";
import { OUTCOME_OK } from "../core/states.ts";
import type { CategoryItem } from "../protocol/api.ts";
import type { Loaded } from "./queries.ts";
import { column, spread } from "./summary.ts";

export function workflowCategories({ id, engine, tasks }: Loaded): { categories: CategoryItem[] } {
  const { blocks, categories: settings } = tasks.definition;
  const names = [...new Set(blocks.map(({ category }) => category))];
  const measured = new Map(names.map((name) => [name, { wall: column(), peak: column() }]));
  engine.ledger.resultStatistics(id, (row, task) => {
    if (row.outcome !== OUTCOME_OK) return;
    const { wall, peak } = measured.get(blocks[blockOf(tasks.graph.blockFirst, task)]!.category)!;
    wall.add(row.wallUs);
    peak.add(row.peakBytes);
  });
  return {
    categories: names.map((name) => {
      const given = new Map<string, CategoryItem["given"][number]>();
      let count = 0;
      let enlarged = 0;
      blocks.forEach((block, index) => {
        if (block.category !== name) return;
        count += block.count;
        const { cpus, memoryBytes, diskBytes } = tasks.classes[index]!.requirement;
        const key = `${cpus} ${memoryBytes} ${diskBytes}`;
        const entry = given.get(key) ?? {
          tasks: 0,
          cpus,
          memory_bytes: memoryBytes,
          disk_bytes: diskBytes,
        };
        given.set(key, entry);
        entry.tasks += block.count;
      });
      for (const { cls } of tasks.override.values()) if (cls.category.name === name) enlarged++;
      const { wall, peak } = measured.get(name)!;
      const samples = wall.values().length;
      return {
        name,
        tasks: count,
        samples,
        run_seconds: spread(wall.values(), 1e-6)?.mean ?? null,
        peak_memory_p95_bytes: spread(peak.values(), 1)?.p95 ?? null,
        allocation: settings?.[name]?.allocation ?? "fixed",
        given: [...given.values()],
        enlarged,
      };
    }),
  };
}
