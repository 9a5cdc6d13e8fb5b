/**
 * From the topic of dead letters into the file that is searched: the step of the process that
 * answers questions, for one batch of one partition. The letters and how far the topic was read are
 * kept in one transaction, so a batch that is read twice changes nothing, and none is left out.
 */
import type { DeadLetterFile, IndexedPlace } from "./dead_letter_file.ts";
import type { DeadLetter } from "./dead_letter.ts";
import { type ConsumedRecord, decodeDeadLetter } from "./dead_letter_records.ts";

/** A record that holds no letter. */
export interface SkippedRecord {
  /** Its place in the batch, from 0. */
  readonly index: number;
  readonly why: string;
}

/**
 * Keeps the letters of a batch; `place` is behind its last record. Gives the records that are no
 * letters, to be logged. Throws DeadLetterError: then nothing of the batch was kept.
 */
export async function indexRecords(
  file: DeadLetterFile,
  records: readonly ConsumedRecord[],
  place: IndexedPlace,
): Promise<SkippedRecord[]> {
  const letters: DeadLetter[] = [];
  const skipped: SkippedRecord[] = [];
  records.forEach((record, index) => {
    const decoded = decodeDeadLetter(record);
    if (decoded.ok) letters.push(decoded.letter);
    else skipped.push({ index, why: decoded.why });
  });
  await file.putIndexed(letters, place);
  return skipped;
}
