// How it looks: a constructed style sheet, which a Content-Security-Policy need not allow. The colours are the page's
// to change, as the element's own properties; light or dark goes by the page's `color-scheme`.

const CSS = `
:host {
  --pullcord-surface: light-dark(#fffefb, #171d1a);
  --pullcord-raised: light-dark(#ffffff, #212a25);
  --pullcord-hover: light-dark(#eeebe3, #1f2723);
  --pullcord-ink: light-dark(#1d211f, #e7ece8);
  --pullcord-ink-soft: light-dark(#565e59, #a4afa8);
  --pullcord-line: light-dark(#e2ded4, #2a332e);
  --pullcord-line-strong: light-dark(#8b8f88, #6b776f);
  --pullcord-accent: light-dark(#1d6a52, #63c8a0);
  --pullcord-accent-soft: light-dark(#dcece3, #21392f);
  --pullcord-brass: light-dark(#8a5c07, #e7b04b);
  --pullcord-brass-soft: light-dark(#f6e7c8, #3a2f18);
  --pullcord-bad: light-dark(#ae2319, #ff9389);
  --pullcord-font: ui-sans-serif, system-ui, -apple-system, "Segoe UI", Inter, Roboto, "Noto Sans", sans-serif;
  --pullcord-mono: ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, monospace;
  display: block;
  min-width: 0;
  background: var(--pullcord-surface);
  color: var(--pullcord-ink);
  font: 13.5px/1.42 var(--pullcord-font);
  text-align: start;
}
:host([hidden]) { display: none; }
*, ::before, ::after { box-sizing: border-box; }
[hidden] { display: none !important; }
h3, h4, p, ul, ol, dl, dd { margin: 0; padding: 0; }
ul, ol { list-style: none; }
h3, h4 { font: inherit; font-weight: 650; }
h4 { margin-top: 16px; font-size: 12.5px; }
button, input, select, textarea { font: inherit; color: inherit; }
:focus-visible { outline: 2px solid var(--pullcord-accent); outline-offset: 2px; }
.visually-hidden {
  position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap;
}
.note { color: var(--pullcord-ink-soft); font-size: 12.5px; }
.bad { color: var(--pullcord-bad); }
.none { padding: 12px 16px; color: var(--pullcord-ink-soft); }
.n { text-align: right; }

details { padding: 0 16px; border-bottom: 1px solid var(--pullcord-line); }
details[open] { padding-bottom: 16px; }
summary {
  display: flex; align-items: center; gap: 6px; margin: 0 -16px; padding: 11px 16px; cursor: pointer; list-style: none;
}
summary::-webkit-details-marker { display: none; }
summary::after {
  content: ""; width: 7px; height: 7px; margin-left: auto; border: solid var(--pullcord-ink-soft);
  border-width: 0 1.6px 1.6px 0; rotate: -45deg; transition: rotate .15s;
}
details[open] > summary::after { rotate: 45deg; }
summary:focus-visible { outline-offset: -3px; }

button {
  display: inline-flex; align-items: center; min-height: 30px; padding: 0 10px; border-radius: 8px;
  border: 1px solid var(--pullcord-line); background: var(--pullcord-raised); font-size: 13px; font-weight: 500;
  white-space: nowrap; cursor: pointer;
}
button:hover { border-color: var(--pullcord-line-strong); }
.button-row { display: flex; flex-wrap: wrap; gap: 8px; margin-top: 10px; }

.writer { padding: 10px 16px 12px; border-bottom: 1px solid var(--pullcord-line); }
.writer-line { display: flex; align-items: center; gap: 8px; }
.writer-line strong { font-weight: 650; }
.writer-commit {
  margin-left: auto; color: var(--pullcord-ink-soft); font-size: 12.5px; font-variant-numeric: tabular-nums;
}
.writer .note { margin-top: 2px; overflow-wrap: anywhere; }
.dot { flex: none; width: 9px; height: 9px; border-radius: 50%; background: var(--pullcord-line-strong); }
.writer[data-writer="here"] .dot { background: var(--pullcord-accent); }
.writer[data-writer="elsewhere"] .dot { background: none; box-shadow: inset 0 0 0 2px var(--pullcord-accent); }
.writer[data-writer="none"] .dot { background: var(--pullcord-brass); }
.writer[data-writer="closed"] .dot { background: var(--pullcord-bad); }
.standing { font-weight: 600; }
.standing[data-tone="good"] { color: var(--pullcord-accent); }
.standing[data-tone="bad"] { color: var(--pullcord-bad); }
.writer .note.bad { color: var(--pullcord-bad); }

.chooser { display: flex; align-items: center; gap: 8px; margin-bottom: 12px; }
.chooser span { flex: none; color: var(--pullcord-ink-soft); font-size: 12px; }
.chooser select {
  flex: 1; min-width: 0; height: 30px; padding: 0 6px; border: 1px solid var(--pullcord-line); border-radius: 8px;
  background: var(--pullcord-raised); text-overflow: ellipsis;
}

.strip { display: flex; gap: 3px; height: 38px; }
.part { position: relative; min-width: 30px; border-radius: 7px; }
.part.gap { flex: 0 1 34px; min-width: 14px; border: 1.5px dashed var(--pullcord-line-strong); background: none; }
.part.gap.filling {
  border-color: var(--pullcord-accent);
  background: linear-gradient(90deg, transparent 30%, var(--pullcord-accent-soft) 50%, transparent 70%) 0 / 300% 100%;
  animation: shimmer 1.2s linear infinite;
}
@keyframes shimmer { from { background-position: 100% 0; } to { background-position: 0 0; } }
.bar.live, .bar.fresh, .bar.stale { background: var(--fill); color: var(--on-fill); }
.live { --fill: light-dark(#1d6a52, #63c8a0); --on-fill: light-dark(#fff, #0b1713); }
.fresh { --fill: light-dark(#a9d3bf, #2f5f4c); --on-fill: light-dark(#12382b, #dcf2e7); }
.stale {
  --fill: repeating-linear-gradient(
    -45deg, light-dark(#f0d9a8, #54431c) 0 6px, light-dark(#f8ebcd, #423516) 6px 12px
  );
  --on-fill: light-dark(#5a3b02, #f6deb0);
}
.part.bar { display: grid; place-items: center; overflow: hidden; }
.part.bar span {
  overflow: hidden; max-width: 100%; padding: 0 5px; font-size: 12px; font-weight: 650;
  font-variant-numeric: tabular-nums; white-space: nowrap;
}
.part.bar.start { border-left: 5px solid var(--pullcord-brass); }
.part.bar.live { border-radius: 7px 19px 19px 7px; }
.bar.checking { background-size: 17px 17px; animation: checking .7s linear infinite; }
@keyframes checking { to { background-position: 17px 0; } }
.part.just { --just: var(--pullcord-accent); }
.part.just.kept { --just: var(--pullcord-brass); }
.part.just::after {
  content: ""; position: absolute; inset: 0; border-radius: inherit; pointer-events: none;
  animation: just 1.6s ease-out both; animation-delay: inherit;
}
@keyframes just {
  0%, 45% { box-shadow: inset 0 0 0 3px var(--just); }
  100% { box-shadow: inset 0 0 0 3px transparent; }
}
.activity { min-height: 38px; margin-top: 8px; color: var(--pullcord-ink-soft); font-size: 12.5px; }
.screen-mark {
  position: absolute; bottom: 3px; min-width: 8px; height: 5px; border-radius: 3px; background: var(--pullcord-brass);
  box-shadow: 0 0 0 1.5px var(--pullcord-surface); transition: left .15s, width .15s;
}
.scale {
  position: relative; height: 10px; margin-top: 12px; border-radius: 3px; background: var(--pullcord-hover);
  box-shadow: inset 0 0 0 1px var(--pullcord-line);
}
.scale .bar { position: absolute; top: 0; height: 100%; min-width: 2px; border-radius: 2px; }
.scale .screen-mark { bottom: -4px; }
.axis {
  display: flex; justify-content: space-between; gap: 8px; margin-top: 6px; color: var(--pullcord-ink-soft);
  font-size: 12px; font-variant-numeric: tabular-nums;
}
.axis span:first-child, .axis span:last-child { overflow-wrap: anywhere; }
.compact .segments { display: flex; flex-direction: column; }
.compact .strip { height: 30px; }
.compact .scale { height: 7px; margin-top: 7px; }
.compact .scale .screen-mark { bottom: -3px; height: 4px; }
.compact .activity { min-height: 36px; margin-top: 7px; line-height: 18px; }
.compact .note { min-height: 44px; }
.legend {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(158px, 1fr)); gap: 4px 12px; margin: 14px 0;
  color: var(--pullcord-ink-soft); font-size: 12.5px;
}
.legend li { display: flex; align-items: baseline; gap: 7px; }
.legend b { color: var(--pullcord-ink); font-weight: 600; }
.swatch { flex: none; width: 14px; height: 12px; border-radius: 3px; background: var(--fill, none); }
.swatch.checking { background-size: 17px 17px; animation: checking .7s linear infinite; }
.swatch.gap { border: 1.5px dashed var(--pullcord-line-strong); }
.swatch.gap.filling { border-color: var(--pullcord-accent); background: var(--pullcord-accent-soft); }
.swatch.start { border-left: 5px solid var(--pullcord-brass); background: var(--pullcord-hover); }
.swatch.screen { align-self: center; height: 5px; background: var(--pullcord-brass); }

table { width: 100%; border-collapse: collapse; }
th {
  padding: 4px 8px 4px 0; color: var(--pullcord-ink-soft); font-size: 12px; font-weight: 500; text-align: left;
  vertical-align: bottom;
}
td {
  padding: 5px 8px 5px 0; border-top: 1px solid var(--pullcord-line); font-variant-numeric: tabular-nums;
  vertical-align: top;
}
th.n { text-align: right; }
td:last-child, th:last-child { padding-right: 0; }
small { display: block; color: var(--pullcord-ink-soft); font-size: 12px; font-weight: 400; }
.position { min-width: 6ch; font-family: var(--pullcord-mono); font-size: 12px; overflow-wrap: anywhere; }
.tag {
  display: inline-block; margin: 0 4px 2px 0; padding: 0 7px; border-radius: 5px; background: var(--fill);
  color: var(--on-fill); font-size: 11.5px; font-weight: 600; white-space: nowrap;
}
.tag.start { background: var(--pullcord-brass-soft); color: var(--pullcord-brass); }
.request-table tbody th {
  vertical-align: top; border-top: 1px solid var(--pullcord-line); color: var(--pullcord-ink); font-size: 13.5px;
}
.request-table .some td:nth-child(2) { color: var(--pullcord-accent); font-weight: 700; }
.last-requests td { padding: 3px 6px 3px 0; font-size: 12px; }
.last-requests td:first-child, .last-requests .n { white-space: nowrap; }
.last-requests .of { overflow-wrap: anywhere; }

.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(130px, 1fr)); gap: 10px 16px; }
.facts dt { color: var(--pullcord-ink-soft); font-size: 12px; }
.facts dd {
  overflow: hidden; text-overflow: ellipsis; white-space: nowrap; font-weight: 550;
  font-variant-numeric: tabular-nums;
}

.log-lines { max-height: 320px; overflow-y: auto; border-radius: 8px; scrollbar-width: thin; }
.log-lines:empty::before { content: "Nothing yet."; color: var(--pullcord-ink-soft); }
.log-lines li {
  display: grid; grid-template-columns: auto 1fr auto; gap: 10px; padding: 4px 0;
  border-top: 1px solid var(--pullcord-line); color: inherit; overflow-wrap: anywhere;
}
.log-lines li:first-child { border-top: 0; }
.log-lines time, .log-lines .times {
  color: var(--pullcord-ink-soft); font-size: 12px; line-height: 19px; font-variant-numeric: tabular-nums;
}
.log-lines .quiet span { color: var(--pullcord-ink-soft); }
.log-lines .bad span:nth-child(2) { color: var(--pullcord-bad); }
.log-lines .good span:nth-child(2) { color: var(--pullcord-accent); }

.report .check { display: flex; align-items: baseline; gap: 7px; margin-top: 8px; cursor: pointer; }
.report .check input { margin: 0; accent-color: var(--pullcord-accent); translate: 0 1px; }
.report .said:not(:empty) { margin-top: 8px; }
.report textarea {
  display: block; width: 100%; margin-top: 8px; padding: 8px; border: 1px solid var(--pullcord-line-strong);
  border-radius: 8px; background: var(--pullcord-raised); font: 12px/1.4 var(--pullcord-mono); white-space: pre;
  resize: vertical;
}

@media (prefers-reduced-motion: reduce) {
  *, ::before, ::after {
    animation-duration: .01ms !important; animation-iteration-count: 1 !important;
    transition-duration: .01ms !important;
  }
}
@media (forced-colors: active) {
  .part, .scale .bar, .swatch, .dot { border: 1px solid CanvasText; forced-color-adjust: none; }
}
`;

/** @type {CSSStyleSheet | null} one for all of a page */
let sheet = null;

/** @param {ShadowRoot} root */
export function style(root) {
  // a page that is played in Node has none
  if (!("adoptedStyleSheets" in root)) return;
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(CSS);
  }
  root.adoptedStyleSheets = [sheet];
}
