// What the page asks of the server. Every error is one line that can be shown.

export const GONE = "The workbench does not answer: is `workbench app` still running? Open its address again once it is.";

export function address(name, rest = "") {
  return `/api/jobs/${encodeURIComponent(name)}${rest}`;
}

export async function ask(path, body) {
  let answer;
  try {
    answer = await fetch(path, body === undefined ? {} : { method: "POST", body: JSON.stringify(body) });
  } catch {
    throw new Error(GONE);
  }
  const found = await answer.json();
  if (!answer.ok) throw new Error(found.error);
  return found;
}

// Sends one file. `progress` is called with the bytes that were sent so far.
function sendFile(name, file, progress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PUT", address(name, `/files?name=${encodeURIComponent(file.name)}`));
    request.upload.onprogress = event => progress(event.loaded);
    request.onload = () => request.status === 200 ? resolve() : reject(new Error(JSON.parse(request.responseText).error));
    request.onerror = () => reject(new Error(
      "A file could not be sent: it was moved or changed meanwhile, or `workbench app` was ended. Drop it again."));
    request.onabort = () => reject(new DOMException("stopped", "AbortError"));
    signal.addEventListener("abort", () => request.abort());
    request.send(file.content);
  });
}

// Sends what was dropped: `files` have a `name`, a path below what was dropped, and their `content`. Gives the name of the job.
export async function send(title, files, isFolder, progress, signal) {
  const total = files.reduce((sum, file) => sum + file.content.size, 0);
  const { name } = await ask("/api/jobs", { name: title, folder: isFolder, bytes: total });
  let sent = 0;
  try {
    for (const file of files) {
      await sendFile(name, file, bytes => progress(sent + bytes, total), signal);
      sent += file.content.size;
      progress(sent, total);
    }
    await ask(address(name, "/start"), {});
  } catch (error) {
    await ask(address(name, "/stop"), {}).catch(() => {}); // the server may be gone, or have dropped it by itself
    throw error;
  }
  return name;
}
