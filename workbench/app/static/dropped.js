// What a person drops or chooses, as a title and a list of files.

const hidden = name => name.startsWith(".") || ["Thumbs.db", "desktop.ini"].includes(name); // what systems leave in folders

async function filesIn(entry, before = "") {
  if (entry.isFile) {
    if (hidden(entry.name)) return [];
    const content = await new Promise((resolve, reject) => entry.file(resolve, reject));
    return [{ name: before + entry.name, content }];
  }
  const reader = entry.createReader(), found = [];
  for (;;) { // a reader gives a hundred entries at a time
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) break;
    found.push(...some);
  }
  const inside = [];
  for (const child of found) inside.push(...await filesIn(child, child.isFile ? before : `${before}${child.name}/`));
  return inside;
}

export async function fromDrop(transfer) {
  const entries = [...transfer.items].map(item => item.webkitGetAsEntry()).filter(Boolean); // before anything is waited for
  const folders = entries.filter(entry => entry.isDirectory);
  const files = [];
  for (const entry of entries) files.push(...await filesIn(entry, entry.isDirectory && entries.length > 1 ? `${entry.name}/` : ""));
  return { title: entries[0]?.name ?? "", files, isFolder: folders.length > 0 };
}

export function fromFiles(list) {
  const files = [...list].map(content => ({ name: content.name, content }));
  return { title: files[0]?.name ?? "", files, isFolder: false };
}

export function fromFolder(list) {
  const files = [...list].filter(content => !hidden(content.name)).map(content => {
    const [, ...path] = content.webkitRelativePath.split("/");
    return { name: path.join("/"), content };
  });
  return { title: list[0]?.webkitRelativePath.split("/")[0] ?? "", files, isFolder: true };
}
