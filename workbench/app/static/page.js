// The page: `/` takes what is dropped, `/job/NAME` shows how far a job is and what was found.
import { address, ask, send } from "./api.js";
import { fromDrop, fromFiles, fromFolder } from "./dropped.js";
import { draw, make } from "./result.js";

const by = id => document.getElementById(id);
const SECOND = 1000; // ms between two questions how far a job is
const RETRY = 5000; // ms until a question that failed is asked again
const STATES = {
  receiving: "is being received", waiting: "waits", running: "is being restored", done: "done", stopped: "stopped",
  failed: "failed", unfinished: "not finished",
};

function tell(problem) {
  by("problem").hidden = !problem;
  by("problem").textContent = problem;
  if (problem) by("problem").scrollIntoView({ block: "nearest" });
}

function showProgress(status, share, hint) {
  by("progress").hidden = false;
  by("status").textContent = status;
  by("hint").textContent = hint;
  if (share === null) by("bar").removeAttribute("value");
  else by("bar").value = share;
}

// --- dropping ----------------------------------------------------------------------------------------------------------

async function showStart() {
  by("start").hidden = false;
  const { jobs } = await ask("/api/jobs");
  by("earlier").hidden = !jobs.length;
  by("jobs").replaceChildren(...jobs.map(({ name, state }) => make("li", {},
    make("a", { href: `/job/${encodeURIComponent(name)}`, textContent: name }), make("span", { textContent: STATES[state] }))));
}

async function receive({ title, files, isFolder }) {
  if (!files.length) {
    tell("There is no file in it: drop a video, pictures, or a folder of pictures.");
    return;
  }
  tell("");
  const stopping = new AbortController();
  const leave = event => event.preventDefault();
  by("start").hidden = true;
  by("job").hidden = false;
  by("title").textContent = title;
  by("stop").disabled = false;
  by("stop").onclick = () => stopping.abort();
  window.addEventListener("beforeunload", leave);
  const progress = (sent, total) => {
    showProgress(`Receiving ${files.length === 1 ? "the file" : `${files.length} files`}`, total ? sent / total : null,
      "Leave this page open until everything is received.");
  };
  progress(0, 1);
  try {
    const name = await send(title, files, isFolder, progress, stopping.signal);
    window.removeEventListener("beforeunload", leave);
    history.pushState(null, "", `/job/${encodeURIComponent(name)}`);
    await showJob(name);
  } catch (error) {
    window.removeEventListener("beforeunload", leave);
    by("job").hidden = true;
    by("progress").hidden = true;
    await showStart().catch(() => {}); // without an answer, what is told below says so
    tell(error.name === "AbortError" ? "" : error.message);
  }
}

function listen() {
  by("files").onchange = event => receive(fromFiles(event.target.files));
  by("folder").onchange = event => receive(fromFolder(event.target.files));
  const over = by("drop").classList;
  document.ondragover = event => { event.preventDefault(); over.add("over"); };
  document.ondragleave = () => over.remove("over");
  document.ondrop = event => {
    event.preventDefault();
    over.remove("over");
    if (!by("start").hidden) fromDrop(event.dataTransfer).then(receive).catch(error => tell(error.message));
  };
}

// --- a job -------------------------------------------------------------------------------------------------------------

let shown = null; // the version of the result that is on the page
let asking = null; // the timer of the next question

async function showJob(name) {
  clearTimeout(asking);
  try {
    let job = await ask(address(name));
    if (job.state === "unfinished") job = await ask(address(name, "/go-on"), {}); // the server was ended before the job was
    by("job").hidden = false;
    by("title").textContent = document.title = name;
    showState(job);
    if (job.version && job.version !== shown) {
      const result = await ask(address(name, "/result"));
      shown = job.version;
      draw(job, result, (verb, scene) => act(name, "change", { verb, scene, version: job.version }));
      by("undo").onclick = () => act(name, "change", { verb: "undo", version: job.version });
      by("result").hidden = false;
    }
    const busy = ["waiting", "running", "receiving"].includes(job.state);
    by("result").disabled = busy;
    if (busy) asking = setTimeout(() => showJob(name), SECOND);
  } catch (error) {
    tell(error.message);
    asking = setTimeout(() => showJob(name), RETRY); // a result may just be replaced, or the server be started again
  }
}

function showState(job) {
  const { state, progress, before, name } = job;
  by("progress").hidden = !["waiting", "running", "receiving"].includes(state);
  by("again").hidden = !["stopped", "failed"].includes(state);
  by("go-on").hidden = !job.kept;
  by("go-on").textContent = state === "stopped" ? "Go on" : "Try again";
  by("go-on").onclick = () => act(name, "go-on", {});
  by("stop").onclick = () => act(name, "stop", {});
  by("write").onclick = () => act(name, "write", {});
  by("pictures").onclick = () => act(name, "write", { pictures: true });
  tell(job.message);
  if (state === "waiting") {
    showProgress(before ? `Waiting: ${before} ${before === 1 ? "job is" : "jobs are"} before this one` : "Waiting", null,
      "You may close this page. Its address shows the job again.");
  } else if (state === "running" && progress) {
    const { number, of, about, done, total } = progress;
    showProgress(`Step ${number} of ${of}: ${about}`, (number - 1 + (total ? done / total : 0)) / of,
      `${total ? `${done} of ${total}. ` : ""}You may close this page. The work goes on, and its address shows it again.`);
  } else if (state === "running") {
    showProgress("Starting", null, "");
  } else if (state === "receiving") {
    showProgress("Receiving the files", null, "They are sent from another page.");
  }
}

async function act(name, what, body) {
  try {
    await ask(address(name, `/${what}`), body);
    await showJob(name);
  } catch (error) {
    await showJob(name);
    tell(error.message);
  }
}

function open() {
  const name = location.pathname.startsWith("/job/") ? decodeURIComponent(location.pathname.slice(5)) : null;
  if (name) showJob(name);
  else showStart().catch(error => tell(error.message));
}

listen();
window.onpopstate = () => location.reload();
open();
