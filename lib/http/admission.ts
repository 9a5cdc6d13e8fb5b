/**
 * The door of a port: who may ask what, and how often. Implemented in lib/auth; the server knows no
 * more of it than this.
 */

/** A request that was let in. */
export interface Admitted {
  /**
   * Its answer, whatever it is, perhaps with more headers; what the request holds is given back when
   * the answer's body ends. To be called once.
   */
  answered(response: Response): Response;
}

/** Who asked, for the log; a key is named by its id and never shown. */
export interface LoggedCaller {
  readonly project: string;
  /** Null = no key was given. */
  readonly keyId: string | null;
}

export interface Admission {
  /**
   * Judges a request before anything of it is read. Null = it is let in and nothing is left to do.
   * @throws {ProblemError} when it is not let in; a promise rejects with it
   */
  admit(request: Request, path: string): Admitted | null | Promise<Admitted | null>;
  /** Who asked; null = nobody was let in, or nobody had to be. */
  callerOf(request: Request): LoggedCaller | null;
}
