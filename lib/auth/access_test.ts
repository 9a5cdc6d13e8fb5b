import assert from "node:assert/strict";
import fc from "fast-check";
import { SignJWT } from "jose";
import type { AccessConfig } from "../config/access_config.ts";
import { ProblemError } from "../http/problem.ts";
import { Access } from "./access.ts";
import { HttpAdmission } from "./http_admission.ts";
import { addKey, addProject, type KeyWish, revokeKey, rotateKey } from "./key_book.ts";
import { KeyWatch } from "./key_watch.ts";
import { type Principal } from "./principal.ts";

const NOW_MS = Date.parse("2026-01-31T12:00:00.000Z");
const SECRET = "a secret that has thirty-two bytes or more";

interface Scene {
  readonly access: Access;
  readonly door: HttpAdmission;
  readonly watch: KeyWatch;
  clock: number;
  /** Makes a key. */
  key(wish?: Partial<KeyWish>): Promise<{ key: string; id: string }>;
}

async function withAccess(
  settings: Partial<AccessConfig>,
  use: (scene: Scene) => Promise<void>,
): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "rta-access-" });
  const ignore = () => {};
  const path = `${folder}/keys.json`;
  const watch = new KeyWatch({
    path,
    onLook: ignore,
    onChange: ignore,
    onFailure: ignore,
    onUnwritable: ignore,
  });
  try {
    await watch.change((book) => ({ book: addProject(book, { name: "shop" }, NOW_MS) }));
    const config: AccessConfig = {
      mode: "required",
      isExposed: false,
      keyFile: path,
      tokens: null,
      projectLimits: {},
      ...settings,
    };
    const access = new Access({ config, watch, now: () => scene.clock });
    const scene: Scene = {
      access,
      door: new HttpAdmission(access),
      watch,
      clock: NOW_MS,
      async key(wish) {
        const whole = {
          project: "shop",
          scopes: ["query" as const],
          name: "",
          expiresAtMs: null,
          ...wish,
        };
        const { key, record } = await watch.change((book) => addKey(book, whole, NOW_MS));
        return { key, id: record.id };
      },
    };
    await use(scene);
  } finally {
    await watch.close();
    Deno.removeSync(folder, { recursive: true });
  }
}

function ask(scene: Scene, headers: Record<string, string>): Principal | Promise<Principal> {
  return scene.access.authenticate({ get: (name) => headers[name] ?? null });
}

function refusal(scene: Scene, headers: Record<string, string>): string {
  try {
    ask(scene, headers);
  } catch (error) {
    assert.ok(error instanceof ProblemError, String(error));
    assert.equal(error.code, "unauthenticated");
    assert.match(error.options.headers!["www-authenticate"], /^Bearer /);
    return error.detail;
  }
  assert.fail("it was let in");
}

Deno.test("Access knows a key in either header, by its project and scopes", () =>
  withAccess({}, async (scene) => {
    const { key, id } = await scene.key({ scopes: ["ingest", "query"] });
    const who = ask(scene, { "x-api-key": key }) as Principal;
    assert.deepEqual([who.project, [...who.scopes], who.keyId], ["shop", ["ingest", "query"], id]);
    assert.equal(ask(scene, { authorization: `Bearer ${key}` }), who);
    assert.equal(ask(scene, { authorization: `bearer ${key}`, "x-api-key": key }), who);
    assert.equal(scene.watch.lastUseOf(id), NOW_MS);
  }));

Deno.test("Access refuses what is no right key, and does not tell whether its id exists", () =>
  withAccess({}, async (scene) => {
    const { key } = await scene.key();
    const other = await scene.key();
    await scene.watch.change((book) => ({ book: revokeKey(book, other.id, NOW_MS) }));
    // Whole keys, so that the checksum does not tell: one of a foreign book, one of a forged secret.
    let foreign = "";
    await withAccess({}, async (elsewhere) => {
      foreign = (await elsewhere.key()).key;
    });
    assert.equal(refusal(scene, { "x-api-key": foreign }), "the API key is not valid");
    assert.match(refusal(scene, { "x-api-key": key.slice(0, -1) }), /cut off/);
    assert.match(refusal(scene, { "x-api-key": `${key} ` }), /form/);
    assert.match(refusal(scene, { "x-api-key": `${key}, ${key}` }), /form/);
    assert.match(
      refusal(scene, { "x-api-key": key.slice(0, -1) + (key.endsWith("0") ? "1" : "0") }),
      /mistyped/,
    );
    assert.match(refusal(scene, { "x-api-key": "" }), /begins with rta_/);
    assert.match(refusal(scene, { "x-api-key": "secret" }), /begins with rta_/);
    assert.match(refusal(scene, { "x-api-key": other.key }), /was revoked/);
    assert.match(refusal(scene, { authorization: `Basic ${key}` }), /must be: Bearer/);
    assert.match(refusal(scene, { authorization: "Bearer" }), /must be: Bearer/);
    assert.match(refusal(scene, { authorization: "Bearer a.b.c" }), /tokens are not taken/);
    assert.match(
      refusal(scene, { authorization: `Bearer ${other.key}`, "x-api-key": key }),
      /differ/,
    );
    assert.match(refusal(scene, {}), /send an API key/);
  }));

Deno.test("Access lets nobody in by any other text than the key, and answers each with a refusal", () =>
  withAccess({}, async (scene) => {
    const { key } = await scene.key();
    const near = fc.record({ at: fc.nat(55), put: fc.string({ maxLength: 3 }), cut: fc.nat(3) })
      .map(({ at, put, cut }) => key.slice(0, at) + put + key.slice(at + cut));
    const text = fc.oneof(fc.string(), fc.string({ unit: "binary" }), near, fc.constant(key));
    const form = fc.constantFrom("", "Bearer ", "bearer  ", "Bearer\t", "Basic ", "Bearer Bearer ");
    const headers = fc.record({
      "x-api-key": fc.option(text, { nil: undefined }),
      authorization: fc.option(fc.tuple(form, text).map((parts) => parts.join("")), {
        nil: undefined,
      }),
    });
    fc.assert(
      fc.property(headers, (given) => {
        const { "x-api-key": asKey, authorization } = given;
        const bearer = authorization === undefined ? null : /^bearer +(\S+)$/i.exec(authorization);
        const isRight = (asKey ?? bearer?.[1]) === key &&
          (asKey === undefined || authorization === undefined || bearer?.[1] === key);
        if (!isRight) return void refusal(scene, given as Record<string, string>);
        assert.equal((ask(scene, given as Record<string, string>) as Principal).project, "shop");
      }),
      { numRuns: 5_000 },
    );
  }));

Deno.test("Access ends a key at its time, at its revocation and after its overlap, though remembered", () =>
  withAccess({}, async (scene) => {
    const short = await scene.key({ expiresAtMs: NOW_MS + 1_000 });
    const long = await scene.key();
    ask(scene, { "x-api-key": short.key });
    ask(scene, { "x-api-key": long.key });
    scene.clock = NOW_MS + 1_000;
    assert.match(refusal(scene, { "x-api-key": short.key }), /expired at 2026-01-31T12:00:01/);
    const fresh = await scene.watch.change((book) => rotateKey(book, long.id, 60, NOW_MS));
    ask(scene, { "x-api-key": long.key });
    ask(scene, { "x-api-key": fresh.key });
    scene.clock = NOW_MS + 60_000;
    assert.match(refusal(scene, { "x-api-key": long.key }), /expired/);
    ask(scene, { "x-api-key": fresh.key });
    await scene.watch.change((book) => ({ book: revokeKey(book, fresh.record.id, NOW_MS) }));
    assert.match(refusal(scene, { "x-api-key": fresh.key }), /revoked/);
  }));

Deno.test("Access lets people without a key in where keys are optional, but no wrong key", () =>
  withAccess({ mode: "optional" }, async (scene) => {
    const nobody = ask(scene, {}) as Principal;
    assert.deepEqual([nobody.project, nobody.scopes.size], ["default", 3]);
    assert.match(refusal(scene, { "x-api-key": "KEY" }), /begins with rta_/);
    const { key } = await scene.key();
    assert.equal((ask(scene, { "x-api-key": key }) as Principal).project, "shop");
  }));

Deno.test("Access looks at no credentials when it is off", () =>
  withAccess({ mode: "off" }, (scene) => {
    assert.equal((ask(scene, { "x-api-key": "KEY" }) as Principal).project, "default");
    return Promise.resolve();
  }));

Deno.test("Access takes tokens of projects that are there, and no others", () =>
  withAccess({
    tokens: {
      algorithms: ["HS256"],
      issuer: "i",
      audience: "a",
      keys: { kind: "secret", secret: SECRET },
    },
  }, async (scene) => {
    const token = (project: string) =>
      new SignJWT({ iss: "i", aud: "a", exp: NOW_MS / 1_000 + 60, project, scope: "query" })
        .setProtectedHeader({ alg: "HS256" }).sign(new TextEncoder().encode(SECRET));
    const who = await ask(scene, { authorization: `Bearer ${await token("shop")}` });
    assert.deepEqual([who.project, [...who.scopes], who.keyId], ["shop", ["query"], null]);
    await assert.rejects(
      ask(scene, { authorization: `Bearer ${await token("gone")}` }) as Promise<Principal>,
      (error) => error instanceof ProblemError && error.code === "permission_denied",
    );
    assert.match(refusal(scene, { "x-api-key": await token("shop") }), /begins with rta_/);
  }));

Deno.test("Access stops what goes on when its key ends or is revoked, once, and nothing else", () =>
  withAccess({ mode: "optional" }, async (scene) => {
    const stopped: string[] = [];
    const open = async (name: string, wish: Partial<KeyWish> = {}) => {
      const { key, id } = await scene.key(wish);
      const who = ask(scene, { "x-api-key": key }) as Principal;
      return { id, leave: scene.access.whileGood(who, () => stopped.push(name)) };
    };
    scene.access.whileGood(ask(scene, {}) as Principal, () => stopped.push("nobody"));
    await open("stays");
    await open("short", { expiresAtMs: NOW_MS + 1_000 });
    const gone = await open("gone");
    const left = await open("left");
    left.leave();
    scene.access.stopEnded();
    assert.deepEqual(stopped, []);
    scene.clock = NOW_MS + 1_000;
    for (const { id } of [gone, left]) {
      await scene.watch.change((book) => ({ book: revokeKey(book, id, NOW_MS) }));
    }
    scene.access.stopEnded();
    scene.access.stopEnded();
    assert.deepEqual(stopped, ["short", "gone"]);
  }));

Deno.test("Access keeps what is used of a limit when keys change", () =>
  withAccess({ projectLimits: { events_per_second: 10 } }, async (scene) => {
    const { key } = await scene.key({ limits: { streams: 1 } });
    const before = (ask(scene, { "x-api-key": key }) as Principal).quota!;
    before.takeEvents(10, 1);
    before.begin("streams");
    await scene.key();
    const after = (ask(scene, { "x-api-key": key }) as Principal).quota!;
    assert.notEqual(after, before);
    assert.throws(() => after.takeEvents(10, 1), ProblemError);
    assert.throws(() => after.begin("streams"), ProblemError);
  }));

function request(path: string, headers: Record<string, string>, method = "GET"): Request {
  return new Request(`http://x${path}`, { method, headers });
}

Deno.test("HttpAdmission asks for the scope of a path, and tells the project of who asked", () =>
  withAccess({}, async (scene) => {
    const { key } = await scene.key();
    const asks = request("/v1/export", { "x-api-key": key });
    assert.equal(scene.door.admit(asks, "/v1/export"), null);
    assert.equal(scene.door.projectOf(asks), "shop");
    assert.equal(scene.door.admit(request("/health", {}), "/health"), null);
    const forbidden = request("/events", { "x-api-key": key }, "POST");
    assert.throws(() => scene.door.admit(forbidden, "/events"), (error) => {
      assert.ok(error instanceof ProblemError && error.code === "permission_denied");
      assert.match(error.detail, /needs the scope ingest; yours: query/);
      return true;
    });
    // Who was not let in is nobody, not somebody.
    assert.throws(() => scene.door.projectOf(forbidden), ProblemError);
  }));

Deno.test("HttpAdmission holds a stream's place until its body ends or is left", () =>
  withAccess({ projectLimits: { streams: 1 } }, async (scene) => {
    const { key } = await scene.key();
    const open = () => scene.door.admit(request("/v1/live", { "x-api-key": key }), "/v1/live");
    const take = () => {
      const admitted = open();
      assert.ok(admitted !== null && !(admitted instanceof Promise));
      assert.throws(open, ProblemError);
      return admitted;
    };
    assert.equal(await take().answered(new Response("whole")).text(), "whole");
    const endless = new ReadableStream({ pull: (to) => to.enqueue(new Uint8Array(1)) });
    const left = take().answered(new Response(endless)).body!.getReader();
    await left.read();
    assert.throws(open, ProblemError);
    await left.cancel();
    const broken = new ReadableStream({ pull: (to) => to.error(new Error("cut")) });
    await assert.rejects(take().answered(new Response(broken)).text(), /cut/);
    take().answered(new Response("no", { status: 400 }));
    const socket = request("/v1/live", { "x-api-key": key });
    const admitted = scene.door.admit(socket, "/v1/live");
    assert.ok(admitted !== null && !(admitted instanceof Promise));
    // Deno makes such a response for an upgrade; nobody else can.
    const switched = Object.defineProperty(new Response(null), "status", { value: 101 });
    admitted.answered(switched);
    assert.throws(open, ProblemError);
    scene.door.socketClosed(socket);
    take();
  }));
