// @ts-check
// The guided tour: its scenes, played step by step or by themselves, replayed and left at any time.

import "./network.js";
import { h, setText } from "./dom.js";
import { errorText } from "./format.js";
import { icon } from "./icons.js";
import { SCENES } from "./scenes.js";
import { aboutServer, debug } from "./session.js";
import { inspectorOf, Stage, sweep } from "./stage.js";

/** @typedef {import("./scenes.js").Scene} Scene */
/**
 * "setting": the scene is prepared; "ready": waits for the next step; "acting"; "done"; "broken".
 * @typedef {"setting" | "ready" | "acting" | "done" | "broken"} State
 */

const root = /** @type {HTMLElement} */ (document.getElementById("tour"));
const query = new URLSearchParams(location.search);

/**
 * Between two steps that play by themselves (ms): as long as it takes to read what was to be looked at; `?pace=` sets
 * another.
 */
const READING = { least: 2500, perLetter: 35 };
/** Leaving waits for the goodbye at most this long (ms); what remains is swept up next time. */
const GOODBYE = 2000;

/** @type {Scene} */
let scene = SCENES[0];
/** @type {Stage | null} */
let stage = null;
let run = new AbortController();
/** @type {State} */
let state = "setting";
/** Steps that are done. */
let done = 0;
let playing = false;
/** Scenes that were seen to their end. @type {Set<string>} */
const seen = new Set();
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
/** The end of the scene before: the next begins after it. */
let ended = Promise.resolve();

// ---------------------------------------------------------------- what is on the page

const chips = SCENES.map((one, i) =>
  h(
    "li",
    {},
    h(
      "button",
      { type: "button", class: "scene-chip", "data-scene": one.id, on: { click: () => show(one) } },
      h("span", { class: "scene-number", "aria-hidden": "true" }, i + 1),
      h("span", { class: "scene-name" }, one.short),
    ),
  ),
);
const heading = h("h2", {});
const about = h("p", { class: "about" });
const steps = h("ol", { class: "steps" });
const verdict = h("p", { class: "verdict", role: "status", hidden: true });
const replay = h(
  "button",
  { type: "button", class: "button small", on: { click: () => show(scene) } },
  icon("retry"),
  "Replay",
);
const playIcon = h("span", { class: "play-icon" });
const playText = h("span", {});
const play = h(
  "button",
  { type: "button", class: "button small", title: "Goes on by itself, with time to look", on: { click: togglePlay } },
  playIcon,
  playText,
);
const nextText = h("span", {});
const next = h("button", { type: "button", class: "button next", on: { click: goOn } }, nextText, icon("next"));
const director = h(
  "section",
  { class: "director", "aria-label": "What happens" },
  h("div", { class: "director-text" }, heading, about, steps, verdict),
  h("div", { class: "controls" }, next, play, replay),
);
/** Reads out which step is played. */
const announcer = h("p", { class: "visually-hidden", role: "status" });
const devices = h("div", { class: "devices" });
// Where there is room it is simply there.
const colours = h(
  "details",
  { class: "colours", open: matchMedia("(min-width: 1000px)").matches },
  h("summary", {}, "What the colours mean"),
  inspectorOf("legend"),
);

root.replaceChildren(
  h(
    "header",
    { class: "tour-bar" },
    h("img", { src: "logo.svg", alt: "", width: 26, height: 26 }),
    h("h1", {}, "Guided tour"),
    h("nav", { "aria-label": "Scenes" }, h("ol", { class: "scenes" }, ...chips)),
    announcer,
    h(
      "a",
      { class: "leave", href: "./", "aria-label": "Leave the tour", on: { click: leave } },
      icon("close"),
      h("span", {}, "Leave the tour"),
    ),
  ),
  h("div", { class: "tour-body" }, director, h("section", { class: "stage", "aria-label": "Stage" }, devices, colours)),
);

function draw() {
  drawChips();
  drawSteps();
  const over = state === "done" || state === "broken";
  next.disabled = state === "setting" || state === "acting";
  setText(nextText, whatComes(over));
  play.hidden = over;
  setText(playText, playing ? "Pause" : "Play");
  playIcon.replaceChildren(icon(playing ? "pause" : "play"));
}

function drawChips() {
  const at = SCENES.indexOf(scene);
  for (const [i, chip] of chips.entries()) {
    const button = /** @type {HTMLElement} */ (chip.firstElementChild);
    if (i === at) button.setAttribute("aria-current", "step");
    else button.removeAttribute("aria-current");
    button.classList.toggle("seen", seen.has(SCENES[i].id));
    button.setAttribute("aria-label", `Scene ${i + 1}: ${SCENES[i].title}${seen.has(SCENES[i].id) ? ", seen" : ""}`);
  }
}

function drawSteps() {
  director.dataset.scene = scene.id;
  director.dataset.state = state;
  director.dataset.done = String(done);
  // Of a scene that has begun, the step that is done last or under way is the one to look at.
  const current = state === "acting" || state === "broken" ? done : done - 1;
  for (const [i, step] of [...steps.children].entries()) {
    const element = /** @type {HTMLElement} */ (step);
    element.dataset.state = i < current ? "done" : i === current ? "current" : "later";
    if (i === current) element.setAttribute("aria-current", "step");
    else element.removeAttribute("aria-current");
  }
}

/** @param {boolean} over the scene is */
function whatComes(over) {
  if (over) return SCENES.indexOf(scene) === SCENES.length - 1 ? "To the demo" : "Next scene";
  if (state === "setting") return "Setting the scene…";
  if (state === "acting") return "Watch…";
  return done === 0 ? "Begin" : "Next step";
}

// ---------------------------------------------------------------- a scene

/** @param {Scene} chosen */
async function show(chosen) {
  run.abort();
  const mine = new AbortController();
  run = mine;
  clearTimeout(timer);
  scene = chosen;
  state = "setting";
  done = 0;
  playing = false;
  verdict.hidden = true;
  setText(heading, `${SCENES.indexOf(scene) + 1}. ${scene.title}`);
  setText(about, scene.about);
  steps.replaceChildren(
    ...scene.steps.map(({ say, look }, i) =>
      h(
        "li",
        { class: "step" },
        h("span", { class: "step-number", "aria-hidden": "true" }, i + 1),
        h("p", { class: "say" }, say),
        h("p", { class: "look" }, icon("look"), h("span", {}, h("strong", {}, "Look: "), look)),
      ),
    ),
  );
  if (location.hash !== `#/${scene.id}`) history.replaceState(null, "", `#/${scene.id}`);
  draw();
  const before = stage;
  stage = null;
  if (before) ended = ended.then(() => before.end());
  await ended;
  if (mine.signal.aborted) return;
  const mounted = new Stage(devices, mine.signal);
  stage = mounted;
  if (debug) Object.assign(window, { pullcordTour: { stage } });
  await attempt(mine, async () => {
    await scene.set(mounted);
    state = "ready";
  });
}

/**
 * Does something of the scene. What fails ends the scene, and says so; a scene that was left says nothing.
 * @param {AbortController} mine
 * @param {() => Promise<void>} work
 */
async function attempt(mine, work) {
  try {
    await work();
  } catch (error) {
    if (mine.signal.aborted) return;
    state = "broken";
    playing = false;
    tell(`This scene did not go as it should. ${errorText(error)}`, false);
  }
  if (mine.signal.aborted) return;
  draw();
  if (playing && state === "ready") timer = setTimeout(step, pace());
}

/** @param {string} text @param {boolean} good */
function tell(text, good) {
  verdict.replaceChildren(icon(good ? "check" : "alert"), h("span", {}, text));
  verdict.dataset.ok = String(good);
  verdict.hidden = false;
  verdict.scrollIntoView({ block: "nearest" });
}

async function step() {
  const mounted = stage;
  const doing = scene.steps[done];
  if (state !== "ready" || !mounted || !doing) return;
  clearTimeout(timer);
  const mine = run;
  state = "acting";
  setText(announcer, `Step ${done + 1} of ${scene.steps.length}. ${doing.say} Look: ${doing.look}`);
  draw();
  steps.children[done].scrollIntoView({ block: "nearest" });
  await attempt(mine, async () => {
    await doing.act(mounted);
    if (mine.signal.aborted) return;
    done++;
    state = "ready";
    if (done < scene.steps.length) return;
    const found = await scene.check(mounted);
    if (mine.signal.aborted) return;
    state = "done";
    playing = false;
    seen.add(scene.id);
    tell(found, true);
  });
}

function pace() {
  const given = query.get("pace");
  if (given !== null && Number(given) >= 0) return Number(given);
  // Before the first step there is only what it is about.
  const text = done === 0 ? scene.about : scene.steps[done - 1].look;
  return READING.least + READING.perLetter * text.length;
}

function togglePlay() {
  playing = !playing;
  clearTimeout(timer);
  if (playing && state === "ready") step();
  draw();
}

function goOn() {
  if (state === "ready") {
    step();
    return;
  }
  const following = SCENES[SCENES.indexOf(scene) + 1];
  if (following) show(following);
  else leave();
}

/** @param {Event} [event] */
async function leave(event) {
  event?.preventDefault();
  run.abort();
  clearTimeout(timer);
  root.inert = true;
  const goodbye = Promise.all([ended, stage?.end()]);
  await Promise.race([goodbye.catch(() => {}), new Promise((resolve) => setTimeout(resolve, GOODBYE))]);
  location.href = "./";
}

const fromHash = () => SCENES.find(({ id }) => location.hash === `#/${id}`) ?? SCENES[0];
window.addEventListener("hashchange", () => {
  if (fromHash() !== scene) show(fromHash());
});
// Kept as it was and shown again, it would have lost its connections, and its guests are gone.
window.addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});

const { allowTrouble } = await aboutServer();
if (allowTrouble === false) {
  root
    .querySelector(".tour-body")
    ?.replaceChildren(
      h(
        "p",
        { class: "no-tour" },
        "The tour needs a server that makes trouble when it is asked to: start it with --demo --allow-trouble, as “npm run demo” does.",
      ),
    );
} else {
  await sweep();
  show(fromHash());
}
