// The page of all jobs: what the server has drawn is taken over and kept true by the stream.

import { band } from "./band.js";
import * as clock from "./clock.js";
import { Engine } from "./engine.js";
import { forms } from "./forms.js";
import { JobList } from "./job-list.js";
import { parse } from "./json.js";
import { judgeJob } from "./judge.js";
import { ended, Plant } from "./plant.js";
import { subscribe } from "./tidewire.js";
import { Truth } from "./truth.js";
import { lasted, seconds } from "./words.js";

const show = new URLSearchParams(location.search).get("show") ?? "";
const list = document.querySelector("ul.jobs"), none = document.getElementById("no-jobs"), connection = document.querySelector(".connection");
const truth = new Truth();
let order = true; // which jobs are shown may have changed

const plant = new Plant({
  source() {}, trends() {}, configured() {}, alerts() {}, said() {},
  job(name) {
    jobs.touch(name);
    order = true;
    engine.wake();
  },
  listed() {
    order = true;
    engine.wake();
  },
  reconfigured() {
    plant.reload();
    stream.renew();
  },
});
const engine = new Engine(before);
const jobs = new JobList(list, engine, { job: (name) => plant.jobs.get(name), now: () => clock.now() });

/** Reports whether a job belongs to those that are asked for. */
function belongs(job) {
  switch (show) {
    case "failed": return judgeJob(job).needs;
    case "busy": return Boolean(job.last_run) && !ended(job.last_run);
  }
  return true;
}

function before() {
  look();
  if (!plant.loaded || !order) return;
  order = false;
  const names = [...plant.jobs.values()].filter(belongs).map((job) => job.name);
  jobs.show(names);
  list.hidden = names.length === 0;
  none.hidden = names.length > 0;
}

/** Says how the connection is. */
function look() {
  const { state, word, lost, again } = truth.look(stream.heardAt, false);
  if (connection.textContent !== word) {
    connection.dataset.state = state;
    connection.textContent = word;
  }
  band("lost", lost === null ? null : {
    state: "lost", text: `No connection since ${seconds(lost)}`, act: "Try now",
    more: `What you see is ${lasted(Date.now() - lost)} old.${again > 0 ? ` Trying again in ${lasted(again)}.` : ""}`,
  }, () => stream.renew());
}

const stream = subscribe("api/v1/stream", {
  parse,
  unpack: (body) => body.snapshots,
  onSnapshot: (snapshot) => plant.apply(snapshot),
  onReset: () => plant.reload(),
  onState(state, until) {
    truth.take(state, until);
    if (state === "live" || state === "polling") plant.reload(); // jobs may have changed meanwhile
    engine.wake();
  },
});

forms({ stays: true });
setInterval(() => clock.wasSet() && plant.reload(), 1000);
