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

/** Whether a header list is that of a request (RFC 9113, section 8.3). */
export function isRequest(headers: HeaderList): boolean {
  const seen = new Set<string>();
  let isRegular = false;
  for (const [name, value] of headers) {
    if (name.startsWith(":")) {
      if (isRegular || !PSEUDO.has(name) || seen.has(name)) return false;
      seen.add(name);
    } else {
      isRegular = true;
      if (FORBIDDEN.has(name) || /[A-Z]/.test(name) || name === "") return false;
      if (name === "te" && value !== "trailers") return false;
    }
  }
  const path = headers.find(([name]) => name === ":path")?.[1];
  return seen.has(":method") && seen.has(":scheme") && path !== undefined && path !== "";
}
