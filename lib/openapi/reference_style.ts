/** The style of the reference page; light or dark as the reader's system is. */
export const REFERENCE_STYLE = `
:root { color-scheme: light dark; --ground: #ffffff; --panel: #f5f6f8; --text: #1d2430;
  --quiet: #5b6675; --line: #d9dee5; --link: #0b5cad; --get: #0f6b3f; --post: #8a4b00; --mark: #a1260d; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #14181f; --panel: #1c222b; --text: #e3e8ef; --quiet: #9aa6b5; --line: #323b48;
    --link: #7db8f5; --get: #6fcf97; --post: #f0b35f; --mark: #f58f7c; }
}
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; }
body { margin: 0; background: var(--ground); color: var(--text);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
a { color: var(--link); text-decoration: none; }
a:hover { text-decoration: underline; }
code, pre { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: 0.875em; }
.layout { display: grid; grid-template-columns: 19rem minmax(0, 1fr); }
nav { position: sticky; top: 0; height: 100vh; overflow-y: auto; padding: 1.25rem 1rem 2rem;
  background: var(--panel); border-right: 1px solid var(--line); font-size: 0.875rem; }
nav .title { font-weight: 650; font-size: 1rem; color: var(--text); }
nav h2 { margin: 1.1rem 0 0.25rem; font-size: 0.75rem; letter-spacing: 0.04em; text-transform: uppercase; }
nav h2 a { color: var(--quiet); }
nav ul { list-style: none; margin: 0; padding: 0; }
nav li a { display: block; padding: 0.1rem 0; overflow-wrap: anywhere; color: var(--text); }
nav .method { display: inline-block; width: 2.6rem; font-size: 0.6875rem; }
main { padding: 2rem clamp(1rem, 4vw, 3.5rem) 5rem; max-width: 64rem; }
h1 { margin: 0 0 0.75rem; font-size: 1.9rem; line-height: 1.2; }
main > section > h2 { margin: 3.5rem 0 0.25rem; padding-top: 1rem; border-top: 1px solid var(--line);
  font-size: 1.4rem; }
h3 { margin: 0; font-size: 1.05rem; font-weight: 600; overflow-wrap: anywhere; }
h4 { margin: 1.1rem 0 0.35rem; font-size: 0.8rem; letter-spacing: 0.04em; text-transform: uppercase;
  color: var(--quiet); }
article { margin: 1.5rem 0; padding: 1.1rem 1.25rem 1.25rem; border: 1px solid var(--line);
  border-radius: 0.5rem; }
article:target { border-color: var(--link); }
.method { font-weight: 700; font-family: ui-monospace, Menlo, Consolas, monospace; }
.get { color: var(--get); }
.post { color: var(--post); }
.quiet, .about, .type { color: var(--quiet); }
.about::before { content: "\\2014\\00a0"; }
.type { font-size: 0.875rem; }
.about { font-size: 0.9375rem; }
.required { color: var(--mark); font-size: 0.8rem; }
p { margin: 0.5rem 0; }
.facts { font-size: 0.875rem; color: var(--quiet); }
pre { margin: 0; padding: 0.75rem 0.9rem; overflow-x: auto; background: var(--panel);
  border: 1px solid var(--line); border-radius: 0.375rem; line-height: 1.45; }
ul.members { margin: 0.25rem 0 0; padding: 0; list-style: none; font-size: 0.9375rem; }
ul.members li { padding: 0.3rem 0; border-top: 1px solid var(--line); }
ul.members ul.members { margin-left: 0.4rem; padding-left: 0.9rem; border-left: 2px solid var(--line); }
ul.members ul.members li:first-child { border-top: 0; }
details > summary { cursor: pointer; }
details.words { display: inline-block; vertical-align: top; }
@media (max-width: 56rem) {
  .layout { grid-template-columns: minmax(0, 1fr); }
  nav { position: static; height: auto; max-height: 45vh; border-right: 0; border-bottom: 1px solid var(--line); }
}
@media print { nav { display: none; } .layout { display: block; } }
`;
