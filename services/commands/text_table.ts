/** Numbers, tables and bars as plain text. */

/** One column of a table. */
export interface TableColumn {
  readonly title: string;
  /** Numbers stand to the right. */
  readonly right?: boolean;
}

/** A table whose columns are as wide as what is in them, indented by two blanks. */
export function textTable(
  columns: readonly TableColumn[],
  rows: readonly (readonly string[])[],
): string {
  const widths = columns.map(({ title }, index) =>
    Math.max(title.length, ...rows.map((row) => row[index].length))
  );
  const line = (cells: readonly string[]) => {
    const padded = cells.map((cell, index) =>
      columns[index].right ? cell.padStart(widths[index]) : cell.padEnd(widths[index])
    );
    return `  ${padded.join("  ")}`.trimEnd();
  };
  const titles = columns.map(({ title }) => title);
  const rules = widths.map((width) => "-".repeat(width));
  return [titles, rules, ...rows].map(line).join("\n") + "\n";
}

/** `31,106`; fractions with two digits. */
export function groupedNumber(value: number): string {
  return value.toLocaleString("en-US", { maximumFractionDigits: 2 });
}

/** `12.3 %` of a share from 0 to 1. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

/** A bar of up to `width` characters; a share above 0 shows at least one. */
export function bar(share: number, width: number): string {
  return "#".repeat(share > 0 ? Math.max(1, Math.round(share * width)) : 0);
}
