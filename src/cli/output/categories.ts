/** `status --categories`: what was measured, and what tasks are given. */
import type { CategoryItem } from "../../protocol/api.ts";
import { type Column, table } from "./table.ts";
import { bytes, count, duration } from "./units.ts";

export function categoriesText(categories: readonly CategoryItem[]): string {
  const right = (title: string): Column => ({ title, align: "right" });
  return table(
    [
      { title: "CATEGORY" },
      right("TASKS"),
      right("MEASURED"),
      right("RUN TIME"),
      right("MEMORY P95"),
      { title: "ALLOCATION" },
      { title: "GIVEN" },
    ],
    categories.map((category) => [
      category.name,
      count(category.tasks),
      count(category.samples),
      category.run_seconds === null ? "-" : duration(category.run_seconds),
      category.peak_memory_p95_bytes === null ? "-" : bytes(category.peak_memory_p95_bytes),
      category.allocation,
      givenText(category),
    ]),
  );
}

function givenText({ given, enlarged }: CategoryItem): string {
  const texts = given.map(({ cpus, memory_bytes: memory, disk_bytes: disk }) =>
    [
      `${Number(cpus.toFixed(3))} ${cpus === 1 ? "cpu" : "cpus"}`,
      ...(memory > 0 ? [bytes(memory)] : []),
      ...(disk > 0 ? [`${bytes(disk)} disk`] : []),
    ].join(", "),
  );
  const more = enlarged > 0 ? ` (${count(enlarged)} had too little and get more)` : "";
  return texts.join(" or ") + more;
}
