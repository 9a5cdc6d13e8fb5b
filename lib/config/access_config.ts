/**
 * Settings of who may do what: whether keys are asked for, where they are kept, which tokens are
 * taken, and what a project may do that names no limits of its own.
 */
import { TOKEN_SECRET_BYTES_MIN } from "./access_limits.ts";
import type { ACCESS_VARIABLES } from "./access_variables.ts";
import type { ConfigProblem } from "./config.ts";

/** Where the keys that sign tokens come from. */
export type TokenKeys =
  | { readonly kind: "secret"; readonly secret: string }
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "url"; readonly url: string };

/** Which tokens are taken. */
export interface TokenConfig {
  readonly algorithms: readonly string[];
  readonly issuer: string;
  readonly audience: string;
  readonly keys: TokenKeys;
}

export interface AccessConfig {
  /**
   * `required`: nobody without a key or a token. `optional`: who gives none is the operator, who
   * gives one is who it says. `off`: what is given is not looked at.
   */
  readonly mode: "required" | "optional" | "off";
  /** Whether other machines may do anything without a key. */
  readonly isExposed: boolean;
  readonly keyFile: string;
  /** Null = no tokens are taken. */
  readonly tokens: TokenConfig | null;
  /** Of a project that names no others; a missing one limits nothing. */
  readonly projectLimits: {
    readonly events_per_second?: number;
    readonly bytes_per_second?: number;
    readonly streams?: number;
    readonly queries?: number;
  };
}

export type AccessValues = {
  [N in keyof typeof ACCESS_VARIABLES]: (typeof ACCESS_VARIABLES)[N]["schema"]["_output"] | null;
};

/** Addresses that only this machine reaches. */
const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|::1)$/i;

/** Whether only this machine reaches ports that are opened on `host`. */
export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host);
}

/** What the settings mean; to be asked when accessProblems finds none. */
export function accessConfigOf(
  values: AccessValues,
  host: string,
  dataFolder: string,
): AccessConfig {
  const mode = values.RTA_AUTH ?? (isLoopback(host) ? "optional" : "required");
  const limits = {
    events_per_second: values.RTA_LIMIT_EVENTS_PER_SECOND,
    bytes_per_second: values.RTA_LIMIT_BYTES_PER_SECOND,
    streams: values.RTA_LIMIT_STREAMS,
    queries: values.RTA_LIMIT_QUERIES,
  };
  return {
    mode,
    isExposed: mode === "off" && !isLoopback(host),
    keyFile: values.RTA_KEYS_FILE ?? `${dataFolder}/keys.json`,
    tokens: tokensOf(values),
    projectLimits: Object.fromEntries(
      Object.entries(limits).filter(([, limit]) => limit !== null),
    ),
  };
}

function tokensOf(values: AccessValues): TokenConfig | null {
  const { RTA_JWT_JWKS: set, RTA_JWT_SECRET: secret } = values;
  if (set === null && secret === null) return null;
  const keys: TokenKeys = secret !== null
    ? { kind: "secret", secret }
    : /^https?:\/\//.test(set!)
    ? { kind: "url", url: set! }
    : { kind: "file", path: set! };
  return {
    algorithms: values.RTA_JWT_ALGORITHMS ??
      (secret !== null ? ["HS256"] : ["RS256", "ES256", "EdDSA"]),
    issuer: values.RTA_JWT_ISSUER ?? "",
    audience: values.RTA_JWT_AUDIENCE ?? "",
    keys,
  };
}

/** What the settings of tokens need of each other. Problems never repeat a secret. */
export function accessProblems(values: AccessValues, host: string): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const refuse = (variable: keyof AccessValues, message: string, value = "") =>
    problems.push({ variable, value, message });
  const { RTA_JWT_JWKS: set, RTA_JWT_SECRET: secret, RTA_JWT_ALGORITHMS: algorithms } = values;
  if (values.RTA_AUTH === "optional" && !isLoopback(host)) {
    refuse(
      "RTA_AUTH",
      `give required or off: other machines reach RTA_HOST=${host}, and whoever gives no key ` +
        "could do everything",
      "optional",
    );
  }
  if (set === null && secret === null) {
    for (const name of ["RTA_JWT_ISSUER", "RTA_JWT_AUDIENCE", "RTA_JWT_ALGORITHMS"] as const) {
      if (values[name] !== null) {
        refuse(name, "give RTA_JWT_JWKS or RTA_JWT_SECRET too, or leave it out", `${values[name]}`);
      }
    }
    return problems;
  }
  if (set !== null && secret !== null) {
    refuse("RTA_JWT_SECRET", "give this or RTA_JWT_JWKS, not both: one could pass for the other");
  }
  if (secret !== null && new TextEncoder().encode(secret).length < TOKEN_SECRET_BYTES_MIN) {
    refuse("RTA_JWT_SECRET", `give at least ${TOKEN_SECRET_BYTES_MIN} bytes`);
  }
  for (const name of ["RTA_JWT_ISSUER", "RTA_JWT_AUDIENCE"] as const) {
    if (values[name] === null) refuse(name, "give it: tokens for others are not to be taken");
  }
  const isShared = (algorithm: string) => algorithm === "HS256";
  const unfit = algorithms?.filter((each) => isShared(each) !== (secret !== null)) ?? [];
  if (unfit.length > 0) {
    const why = secret !== null
      ? "RTA_JWT_SECRET goes with HS256 only"
      : "RTA_JWT_JWKS goes with RS256, ES256 and EdDSA only";
    refuse("RTA_JWT_ALGORITHMS", why, algorithms!.join(","));
  }
  return problems;
}
