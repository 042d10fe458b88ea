// Draws the result of a job.
import { address } from "./api.js";

const by = id => document.getElementById(id);

export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

const count = (number, what) => `${number} ${what}${number === 1 ? "" : "s"}`;

function frame(name, position) {
  const picture = make("img", { src: address(name, `/frames/${position}.jpg`), alt: `Frame ${position} of the input`, loading: "lazy" });
  return make("li", {}, picture, make("span", { textContent: `#${position}`, ariaHidden: "true" }));
}

function strip(name, positions) {
  return make("ol", { className: "strip" }, ...positions.map(position => frame(name, position)));
}

function saved(name, file, version) {
  return `${address(name, `/files/${encodeURIComponent(file)}`)}?save&version=${version}`;
}

function scene(job, number, found, total, act) {
  const button = (label, verb, disabled = false) => make("button", {
    type: "button", textContent: label, disabled, ariaLabel: `${label}: scene ${number}`, onclick: () => act(verb, number),
  });
  const buttons = [
    button("Flip", "flip"), button("Earlier", "earlier", number === 0), button("Later", "later", number === total - 1),
    button("Set aside", "set-aside", total === 1),
  ];
  if (found.video) {
    buttons.push(make("button", { type: "button", textContent: "Play", ariaLabel: `Play: scene ${number}`,
      onclick: () => play(job, found.video, `Scene ${number}`, true) }));
    buttons.push(make("a", { href: saved(job.name, found.video, job.version), textContent: "Download",
      ariaLabel: `Download: scene ${number}` }));
  }
  const title = make("h3", { textContent: `Scene ${number} (${count(found.frames, "frame")})` });
  const head = make("div", { className: "scene-head" }, title, make("div", { className: "buttons" }, ...buttons));
  const whole = make("section", { className: "scene" }, head, strip(job.name, found.strip));
  whole.style.borderColor = found.colour;
  return whole;
}

function link(name, found) {
  const words = `Scene ${found.scene}, confidence ${found.confidence.toFixed(2)}`;
  const frames = strip(name, [...found.before, ...found.after]);
  frames.children[found.before.length]?.classList.add("after");
  return make("div", { className: "link" }, make("h3", { textContent: words }), frames);
}

function play(job, file, words, start) {
  const video = by("video");
  video.src = `${address(job.name, `/files/${encodeURIComponent(file)}`)}?version=${job.version}`;
  video.ariaLabel = words;
  by("playing").textContent = words;
  if (start) {
    video.scrollIntoView({ block: "center" });
    video.play();
  }
}

export function draw(job, result, act) {
  const { scenes, foreign, doubtful } = result;
  const frames = scenes.reduce((sum, one) => sum + one.frames, foreign.frames);
  by("summary").textContent = `${count(frames, "frame")}: ${count(scenes.length, "scene")}, ${count(foreign.frames, "foreign frame")}, ` +
    `${count(doubtful.count, "doubtful link")}.`;
  by("notes").replaceChildren(...result.notes.map(text => make("li", { textContent: text })));
  by("stale").hidden = result.written || result.video === null;
  by("watch").hidden = result.video === null;
  if (result.video) {
    play(job, result.video, result.written ? "All scenes, one after the other" : "The order before your changes", false);
    by("save").hidden = !result.written;
    by("save-link").href = saved(job.name, result.video, job.version);
  }
  by("scenes").replaceChildren(...scenes.map((one, number) => scene(job, number, one, scenes.length, act)));
  by("edits").hidden = !result.edits.length;
  by("changes").replaceChildren(...result.edits.map(text => make("li", { textContent: text })));
  by("foreign").hidden = !foreign.frames;
  by("foreign-title").textContent = count(foreign.frames, "foreign frame") +
    (foreign.frames > foreign.strip.length ? `, ${foreign.strip.length} of them shown` : "");
  by("decisions").replaceChildren(...result.changes.map(text => make("li", { textContent: text })));
  by("foreign-strip").replaceChildren(...foreign.strip.map(position => frame(job.name, position)));
  by("doubtful").hidden = !doubtful.count;
  by("doubt-title").textContent = count(doubtful.count, "doubtful link") +
    (doubtful.count > doubtful.links.length ? `, the ${doubtful.links.length} least sure ones` : "");
  by("links").replaceChildren(...doubtful.links.map(one => link(job.name, one)));
  const rows = result.files.map(([file, about]) => [saved(job.name, file, job.version), file, about]);
  if (result.pictures) rows.push([address(job.name, "/pictures.zip"), "pictures.zip", "every frame as a picture, numbered in order"]);
  by("downloads").replaceChildren(...rows.map(([href, file, about]) =>
    make("li", {}, make("a", { href, textContent: file, download: file }), `: ${about}`)));
  by("pictures").hidden = result.pictures || !result.written;
}
