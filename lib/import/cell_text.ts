/**
 * Cells of a CSV file as JSON text. CSV knows no types, so a cell is a string; only a timestamp
 * and an amount are read further. What can't be read goes on as the string it is: the platform
 * refuses it with its own words, and the row is kept with them.
 */

/** Unix seconds or milliseconds, with a fraction or without. */
const unixTime = /^(?:0|[1-9]\d{0,15})(?:\.\d{1,9})?$/;
/** Date and time with a blank or T between them; the zone may be missing. */
const dateTime =
  /^(\d{4}-\d{2}-\d{2})[ Tt](\d{2}:\d{2}:\d{2})(\.\d{1,9})?(?: ?(Z|z|UTC|GMT)| ?([+-]\d{2}):?(\d{2}))?$/;
/** A number as JSON writes it; small enough for a double to keep its digits. */
const plainNumber = /^-?(?:0|[1-9]\d{0,14})(?:\.\d{1,15})?$/;

/**
 * JSON text of a timestamp: unix seconds or milliseconds as a number, everything else as RFC 3339.
 * `2024-03-13 10:21:14` without a zone is UTC.
 */
export function timestampCell(cell: string): string {
  const text = cell.trim();
  if (unixTime.test(text)) return text;
  const match = dateTime.exec(text);
  if (match === null) return JSON.stringify(cell);
  const [, date, time, fraction = "", , hours, minutes] = match;
  return `"${date}T${time}${fraction}${hours === undefined ? "Z" : `${hours}:${minutes}`}"`;
}

/** JSON text of an amount: a number where the cell is one. */
export function amountCell(cell: string): string {
  const text = cell.trim();
  return plainNumber.test(text) ? text : JSON.stringify(cell);
}
