/** Tokens that are right, and the ways in which others try to pass for them. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import fc from "fast-check";
import { exportJWK, exportSPKI, generateKeyPair, type JWTPayload, SignJWT } from "jose";
import type { TokenConfig } from "../config/access_config.ts";
import { ProblemError } from "../http/problem.ts";
import { TokenVerifier } from "./tokens.ts";

const NOW_MS = Date.parse("2026-01-31T12:00:00.000Z");
const NOW = NOW_MS / 1_000;
const SECRET = "correct horse battery staple, and then some";
const CLAIMS = {
  iss: "https://id.example",
  aud: "rta",
  exp: NOW + 600,
  project: "shop",
  scope: "openid ingest query",
};
const KEYS = {
  RS256: await generateKeyPair("RS256", { extractable: true }),
  ES256: await generateKeyPair("ES256", { extractable: true }),
  EdDSA: await generateKeyPair("EdDSA", { extractable: true }),
};
const OTHER = await generateKeyPair("RS256", { extractable: true });
const KEY_SET = {
  keys: await Promise.all(
    Object.entries(KEYS).map(async ([alg, { publicKey }]) => ({
      ...await exportJWK(publicKey),
      kid: alg,
      alg,
      use: "sig",
    })),
  ),
};
const SHARED: TokenConfig = {
  algorithms: ["HS256"],
  issuer: CLAIMS.iss,
  audience: CLAIMS.aud,
  keys: { kind: "secret", secret: SECRET },
};

function signed(
  payload: JWTPayload,
  alg: keyof typeof KEYS = "RS256",
  header: object = {},
  key = KEYS[alg].privateKey,
): Promise<string> {
  return new SignJWT(payload).setProtectedHeader({ alg, kid: alg, ...header }).sign(key);
}

function shared(payload: JWTPayload, secret = SECRET): Promise<string> {
  return new SignJWT(payload).setProtectedHeader({ alg: "HS256" }).sign(Buffer.from(secret));
}

function base64(value: unknown): string {
  return Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString(
    "base64url",
  );
}

async function withKeySet(use: (config: TokenConfig, path: string) => Promise<void>) {
  const path = Deno.makeTempFileSync({ prefix: "rta-jwks-" });
  try {
    Deno.writeTextFileSync(path, JSON.stringify(KEY_SET));
    const keys = { kind: "file", path } as const;
    await use({ ...SHARED, algorithms: ["RS256", "ES256", "EdDSA"], keys }, path);
  } finally {
    Deno.removeSync(path);
  }
}

async function refused(
  verifier: TokenVerifier,
  token: string,
  what: string,
  code = "unauthenticated",
) {
  await assert.rejects(verifier.verify(token), (error) => {
    assert.ok(error instanceof ProblemError, `${what}: ${error}`);
    assert.equal(error.code, code, `${what}: ${error.detail}`);
    if (token.length > 20) assert.ok(!error.detail.includes(token.slice(0, 20)), what);
    return true;
  }, what);
}

Deno.test("TokenVerifier takes tokens of each algorithm, and the scopes that are ours", () =>
  withKeySet(async (config) => {
    const verifier = new TokenVerifier(config, () => NOW_MS);
    for (const alg of ["RS256", "ES256", "EdDSA"] as const) {
      const { project, scopes } = await verifier.verify(await signed(CLAIMS, alg));
      assert.deepEqual([project, [...scopes]], ["shop", ["ingest", "query"]], alg);
    }
    const list = await verifier.verify(
      await signed({ ...CLAIMS, scope: undefined, scopes: ["admin"] }),
    );
    assert.deepEqual([...list.scopes], ["admin"]);
    const none = await verifier.verify(await signed({ ...CLAIMS, scope: "queryx adminquery" }));
    assert.deepEqual([...none.scopes], []);
    const hs = new TokenVerifier(SHARED, () => NOW_MS);
    assert.equal((await hs.verify(await shared(CLAIMS))).project, "shop");
  }));

Deno.test("TokenVerifier refuses every known attack on tokens", () =>
  withKeySet(async (config) => {
    const verifier = new TokenVerifier(config, () => NOW_MS);
    const right = await signed(CLAIMS);
    const [head, body, mark] = right.split(".");
    const pem = await exportSPKI(KEYS.RS256.publicKey);
    const hmacBy = (key: string, alg = "HS256") => {
      const text = `${base64({ alg, kid: "RS256" })}.${body}`;
      return `${text}.${createHmac("sha256", key).update(text).digest("base64url")}`;
    };
    const evil = await exportJWK(OTHER.publicKey);
    const attacks: Record<string, string> = {
      "alg none": `${base64({ alg: "none" })}.${body}.`,
      "alg None": `${base64({ alg: "None" })}.${body}.`,
      "alg nOnE with the old signature": `${base64({ alg: "nOnE" })}.${body}.${mark}`,
      "alg missing": `${base64({ typ: "JWT" })}.${body}.${mark}`,
      "alg empty": `${base64({ alg: "" })}.${body}.${mark}`,
      "HS256 by the public key as PEM": hmacBy(pem),
      "HS256 by the public key as PEM, trimmed": hmacBy(pem.trim()),
      "HS256 by the public key as JWK": hmacBy(JSON.stringify(KEY_SET.keys[0])),
      "HS256 by an empty secret": hmacBy(""),
      "another RS algorithm": `${base64({ alg: "RS512", kid: "RS256" })}.${body}.${mark}`,
      "no signature": `${head}.${body}.`,
      "two parts": `${head}.${body}`,
      "four parts": `${right}.${mark}`,
      "five parts (encrypted)": `${head}.${body}.${mark}.${mark}.${mark}`,
      "changed claims": `${head}.${base64({ ...CLAIMS, project: "other" })}.${mark}`,
      "changed header": `${base64({ alg: "RS256", kid: "RS256", x: 1 })}.${body}.${mark}`,
      "signed by another key": await signed(CLAIMS, "RS256", {}, OTHER.privateKey),
      "a key of its own (jwk)": await signed(CLAIMS, "RS256", { jwk: evil }, OTHER.privateKey),
      "a key set of its own (jku)": await signed(
        CLAIMS,
        "RS256",
        { jku: "http://127.0.0.1:1/keys" },
        OTHER.privateKey,
      ),
      "a key that is not there (kid)": await signed(CLAIMS, "RS256", { kid: "../../dev/null" }),
      "the kid of another algorithm": await signed(CLAIMS, "RS256", { kid: "ES256" }),
      "a critical extension":
        `${base64({ alg: "RS256", kid: "RS256", crit: ["b64"], b64: false })}` +
        `.${body}.${mark}`,
      "a blank ES256 signature": `${base64({ alg: "ES256", kid: "ES256" })}.${body}.` +
        Buffer.alloc(64).toString("base64url"),
      "expired": await signed({ ...CLAIMS, exp: NOW - 31 }),
      "without an end": await signed({ ...CLAIMS, exp: undefined }),
      "an end that is a text": await signed({ ...CLAIMS, exp: "9999999999" as unknown as number }),
      "not valid yet": await signed({ ...CLAIMS, nbf: NOW + 31 }),
      "another issuer": await signed({ ...CLAIMS, iss: "https://id.example.evil" }),
      "no issuer": await signed({ ...CLAIMS, iss: undefined }),
      "another audience": await signed({ ...CLAIMS, aud: ["rta2", "RTA"] }),
      "no audience": await signed({ ...CLAIMS, aud: undefined }),
      "claims that are a list": `${head}.${base64([CLAIMS])}.${mark}`,
      "no JSON": `${base64("{")}.${body}.${mark}`,
      "too long": `${head}.${"A".repeat(9_000)}.${mark}`,
      "nothing": "",
      "dots": "..",
    };
    assert.ok(Object.keys(attacks).length >= 15);
    for (const [what, token] of Object.entries(attacks)) await refused(verifier, token, what);
    await verifier.verify(right);
    const shares = new TokenVerifier(SHARED, () => NOW_MS);
    await refused(shares, right, "RS256 where a secret is shared");
    await refused(shares, await shared(CLAIMS, SECRET + "x"), "another secret");
    await refused(shares, attacks["alg none"], "alg none where a secret is shared");
  }));

Deno.test("TokenVerifier refuses a right token without a project", async () => {
  const verifier = new TokenVerifier(SHARED, () => NOW_MS);
  for (const project of [undefined, "", "Shop", "a b", 7, ["shop"], "../x"]) {
    const token = await shared({ ...CLAIMS, project });
    await refused(verifier, token, JSON.stringify(project), "permission_denied");
  }
});

Deno.test("TokenVerifier refuses every token of which one character was changed", async () => {
  const verifier = new TokenVerifier(SHARED, () => NOW_MS);
  const right = await shared(CLAIMS);
  await verifier.verify(right);
  // The last character of a part may have bits that mean nothing.
  const lasts = new Set([right.indexOf(".") - 1, right.lastIndexOf(".") - 1, right.length - 1]);
  const change = fc.record({ at: fc.nat(right.length - 1), char: fc.constantFrom(..."Ab0_-.= ") });
  await fc.assert(fc.asyncProperty(change, async ({ at, char }) => {
    if (right[at] === char || lasts.has(at)) return;
    const changed = right.slice(0, at) + char + right.slice(at + 1);
    await refused(verifier, changed, `${at} ${char}`);
  }));
});

Deno.test("TokenVerifier ends a token at its time although it was taken before", async () => {
  let nowMs = NOW_MS;
  const verifier = new TokenVerifier(SHARED, () => nowMs);
  const token = await shared({ ...CLAIMS, exp: NOW + 10 });
  await verifier.verify(token);
  nowMs = NOW_MS + 39_000; // 10 s and the tolerance of 30 s
  await verifier.verify(token);
  nowMs = NOW_MS + 41_000;
  await refused(verifier, token, "after its end");
});

Deno.test("TokenVerifier takes keys of a file that has changed, and keeps the last when it breaks", () =>
  withKeySet(async (config, path) => {
    let nowMs = NOW_MS;
    const verifier = new TokenVerifier(config, () => nowMs);
    const fresh = await signed(CLAIMS, "RS256", { kid: "new" }, OTHER.privateKey);
    await refused(verifier, fresh, "before its key is there");
    const key = { ...await exportJWK(OTHER.publicKey), kid: "new", alg: "RS256" };
    Deno.writeTextFileSync(path, JSON.stringify({ keys: [key] }));
    await verifier.verify(fresh);
    const old = await signed(CLAIMS);
    await refused(verifier, old, "after its key has gone");
    Deno.writeTextFileSync(path, "{");
    nowMs += 61_000;
    await verifier.verify(
      await signed({ ...CLAIMS, n: 1 }, "RS256", { kid: "new" }, OTHER.privateKey),
    );
  }));

Deno.test("TokenVerifier fetches a key set once, and says when it can't be had", async () => {
  let fetched = 0;
  let status = 200;
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, () => {
    fetched++;
    return Response.json(KEY_SET, { status });
  });
  try {
    const url = `http://127.0.0.1:${server.addr.port}/keys`;
    const config = {
      ...SHARED,
      algorithms: ["RS256"],
      keys: { kind: "url", url },
    } as const;
    const verifier = new TokenVerifier(config, () => NOW_MS);
    for (let n = 0; n < 5; n++) await verifier.verify(await signed({ ...CLAIMS, n }));
    for (let n = 0; n < 5; n++) {
      await refused(verifier, await signed(CLAIMS, "RS256", { kid: `no ${n}` }), "unknown key");
    }
    assert.equal(fetched, 1);
    status = 500;
    const another = new TokenVerifier(config, () => NOW_MS);
    await refused(another, await signed(CLAIMS), "no key set", "auth_unavailable");
  } finally {
    await server.shutdown();
  }
});
