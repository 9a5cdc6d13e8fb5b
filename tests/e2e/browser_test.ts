/**
 * What only a real browser tells: what pages of other origins can do (the client library by CORS, or
 * nothing), and whether the reference page keeps to its own policy.
 */
import assert from "node:assert/strict";
import { browserTest, loadPage, withPage } from "../support/browser.ts";
import { startServer } from "../support/server.ts";

/** Tells the server of the page what its script found out. */
const script = (body: string) =>
  `<!doctype html><title>test</title><script type="module">
const told = await (async () => { ${body} })().catch((error) => ({ failed: String(error) }));
await fetch("/told", { method: "POST", body: JSON.stringify({ origin: location.origin, ...told }) });
</script>`;

const allowedPage = (gateway: string, ingestion: string, foreign: string) =>
  script(`
  const { AnalyticsClient } = await import("/client.js");
  const client = new AnalyticsClient({ url: "${gateway}", ingestUrl: "${ingestion}" });
  const events = Array.from({ length: 700 }, (_, i) => (
    { id: "e-" + i, user_id: "u-" + i % 7, event_type: "page_view", properties: { n: i } }
  ));
  const outcomes = await client.trackBatch(events);
  const summary = await client.summary();
  const error = await client.timeSeries({ metric: "nope" }).catch((error) => error);
  let window = null;
  for await (const message of client.live()) {
    if (message.event !== "window") continue;
    window = message.data.window_seconds;
    break;
  }
  await client.close();
  const frame = document.createElement("iframe");
  frame.src = "${foreign}";
  document.body.append(frame);
  return {
    stored: outcomes.filter(({ error }) => error === null).length,
    total: Number(summary.total_events),
    window,
    error: [error.code, error.field, error.requestId?.length],
  };`);

const foreignPage = (gateway: string) =>
  script(`
  const outcome = (promise) => promise.then(() => "read", () => "refused");
  return {
    fetched: await outcome(fetch("${gateway}/v1/analytics/summary")),
    socket: await new Promise((resolve) => {
      const socket = new WebSocket("${gateway.replace("http", "ws")}/v1/live");
      socket.onopen = () => resolve("open");
      socket.onerror = () => resolve("refused");
    }),
  };`);

type Told = Readonly<Record<string, unknown>>;

Deno.test(browserTest("lib/client works in a browser by RTA_CORS_ORIGINS, and others don't", async (
  browser,
) => {
  const folder = Deno.makeTempDirSync({ prefix: "rta-client-browser-" });
  const clientFile = `${folder}/client.js`;
  const make = new Deno.Command("make", {
    args: ["--silent", "client", `CLIENT_JS=${clientFile}`],
  });
  assert.ok((await make.output()).success);
  const told: Told[] = [];
  const both = Promise.withResolvers<void>();
  const pages = new Map<string, string>();
  const site = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/told") {
      told.push(await request.json());
      if (told.length === 2) both.resolve();
      return new Response(null, { status: 204 });
    }
    if (pathname === "/client.js") {
      const headers = { "content-type": "text/javascript" };
      return new Response(Deno.readTextFileSync(clientFile), { headers });
    }
    const html = pages.get(pathname) ?? null;
    return new Response(html, {
      status: html ? 200 : 404,
      headers: { "content-type": "text/html" },
    });
  });
  const origin = `http://127.0.0.1:${site.addr.port}`;
  const foreign = `http://localhost:${site.addr.port}`;
  await using server = await startServer({ env: { RTA_CORS_ORIGINS: origin } });
  const { gateway, ingestion } = server.urls;
  pages.set("/allowed", allowedPage(gateway, ingestion, `${foreign}/foreign`));
  pages.set("/foreign", foreignPage(gateway));
  try {
    await withPage(browser, `${origin}/allowed`, both.promise);
    const error = ["invalid_parameter", "metric", 36];
    assert.deepEqual(told, [
      { origin, stored: 700, total: 700, window: 60, error },
      { origin: foreign, fetched: "refused", socket: "refused" },
    ]);
  } finally {
    await site.shutdown();
    Deno.removeSync(folder, { recursive: true });
  }
}));

Deno.test(browserTest("GET /docs is shown by a browser as its policy has it", async (browser) => {
  await using server = await startServer();
  const { html, console } = await loadPage(browser, `${server.urls.gateway}/docs`);
  assert.match(html, /<article id="getAnalyticsSummary">/);
  assert.deepEqual(console, []);
}));

Deno.test(
  browserTest("loadPage() hears a browser that refuses what a policy forbids", async (browser) => {
    const page = "<!doctype html><style>p { color: red }</style><p>text";
    const headers = {
      "content-type": "text/html",
      "content-security-policy": "default-src 'none'",
    };
    const answer = () => new Response(page, { headers });
    const site = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, answer);
    const { console } = await loadPage(browser, `http://127.0.0.1:${site.addr.port}/`);
    await site.shutdown();
    assert.match(console.join(), /Content Security Policy/);
  }),
);
