/** What the headers of a request must be (RFC 9113, section 8). */
import type { HeaderList } from "./hpack.ts";

const PSEUDO = new Set([":method", ":scheme", ":path", ":authority"]);
const FORBIDDEN = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);
/** Lower-case tokens (RFC 9110, section 5.6.2). */
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
const NOT_IN_VALUES = /[\0\r\n]|^[ \t]|[ \t]$/;

/** Whether all names and values can be those of headers (RFC 9113, section 8.2.1). */
export function areFields(headers: HeaderList): boolean {
  return headers.every(([name, value]) => {
    return (name.startsWith(":") || NAME.test(name)) && !NOT_IN_VALUES.test(value);
  });
}

/** Whether a header list is that of a request (RFC 9113, section 8.3). */
export function isRequest(headers: HeaderList): boolean {
  if (!areFields(headers)) return false;
  const seen = new Set<string>();
  let isRegular = false;
  for (const [name, value] of headers) {
    if (name.startsWith(":")) {
      if (isRegular || !PSEUDO.has(name) || seen.has(name)) return false;
      seen.add(name);
    } else {
      isRegular = true;
      if (FORBIDDEN.has(name)) return false;
      if (name === "content-length" && !/^\d{1,15}$/.test(value)) return false;
      if (name === "te" && value !== "trailers") return false;
    }
  }
  const path = headers.find(([name]) => name === ":path")?.[1];
  return seen.has(":method") && seen.has(":scheme") && path !== undefined && path !== "";
}
