/** Why an import can't begin or go on. What is wrong with single rows is never an error. */

/** RTA_IMPORT_SOURCE: the file. RTA_IMPORT_MAPPING: the mapping. RTA_IMPORT_SERVER: the platform. */
export type ImportErrorCode =
  | "RTA_IMPORT_SOURCE"
  | "RTA_IMPORT_MAPPING"
  | "RTA_IMPORT_SERVER";

/** The message says what to do; it is meant for the person at the terminal. */
export class ImportError extends Error {
  constructor(readonly code: ImportErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ImportError";
  }
}
