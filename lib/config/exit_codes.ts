/** Exit codes of the process, for supervisors and scripts. Others than 0 and 78 ask for a restart. */

/** Everything was drained. */
export const EXIT_OK = 0;
/** An operating failure at the start, or one that the process can't go on with. */
export const EXIT_FAILED = 1;
/** A worker stopped turning its event loop; its files can't be opened again in this process. */
export const EXIT_WORKER_HUNG = 70;
/** A worker ended without closing its files, or failed again and again. */
export const EXIT_WORKER_DIED = 71;
/** Bad configuration, or the data folder is in use: a restart would not help (EX_CONFIG). */
export const EXIT_CONFIG = 78;
