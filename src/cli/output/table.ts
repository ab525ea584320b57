/** Columns of text. No borders: what a person reads, awk can split. */
export interface Column {
  title: string;
  align?: "left" | "right";
}

/** Lines without trailing blanks; columns are two blanks apart. `style` colours a cell after it was padded. */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  style: (text: string, row: number, column: number) => string = (text) => text,
): string {
  const titled = columns.some((column) => column.title !== "");
  const widths = columns.map((column, c) =>
    Math.max(column.title.length, ...rows.map((row) => Bun.stringWidth(row[c] ?? ""))),
  );
  const line = (cells: readonly string[], row: number): string => {
    const last = cells.findLastIndex((cell) => cell !== "");
    return cells
      .slice(0, last + 1)
      .map((cell, c) => {
        const fill = " ".repeat(Math.max(0, (widths[c] ?? 0) - Bun.stringWidth(cell)));
        const shown = row < 0 ? cell : style(cell, row, c);
        if (columns[c]?.align === "right") return fill + shown;
        return c === last ? shown : shown + fill;
      })
      .join("  ");
  };
  const lines = rows.map((row, r) => line(row, r));
  if (titled)
    lines.unshift(
      line(
        columns.map((column) => column.title),
        -1,
      ),
    );
  return lines.map((text) => `${text}\n`).join("");
}

/** Names on the left, figures on the right. */
export function pairs(rows: readonly (readonly [name: string, figure: string])[]): string {
  return table([{ title: "" }, { title: "", align: "right" }], rows);
}
