/** Rows of CSV as RFC 4180 has them: commas, CRLF, quotes around what needs them. */

const NEEDS_QUOTES = /[",\r\n]|^\s|\s$/;

/** One row with its line end. An empty text is an empty cell, quoted when it stands alone. */
export function csvRow(cells: readonly string[]): string {
  if (cells.length === 1 && cells[0] === "") return '""\r\n';
  return `${cells.map(csvCell).join(",")}\r\n`;
}

/** One cell. */
export function csvCell(text: string): string {
  return NEEDS_QUOTES.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
