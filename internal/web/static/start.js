// The page of a gateway that has nothing to show: it follows the configuration until there is something.

import { subscribe } from "./tidewire.js";

const example = document.getElementById("example"), copy = document.getElementById("copy"), wrong = document.getElementById("wrong");
let version; // of the configuration in effect

subscribe("api/v1/stream", {
  unpack: (body) => body.snapshots,
  onSnapshot(snapshot) {
    if (snapshot.key !== "config") {
      if (/^(source|job)\//.test(snapshot.key)) location.reload();
      return;
    }
    version ??= snapshot.version;
    if (snapshot.version !== version) location.reload();
    wrong.textContent = snapshot.error ? `The file cannot be loaded: ${snapshot.error}` : "";
  },
});

copy.hidden = !navigator.clipboard;
copy.addEventListener("click", async () => {
  await navigator.clipboard.writeText(example.textContent);
  copy.textContent = "Copied";
});
