// What the filters of the page show, and what its title counts.

// The ends of a run that call for somebody.
const failed = new Set(["failed", "timed_out", "lost"]);

/** Reports whether an alert fires. */
export function fires(alert) {
  return alert?.state === "firing";
}

/** The views that show a source: its state, and a firing alert, with which it never counts as ok. */
export function sourceViews({ state, alert }) {
  if (!fires(alert)) return [state];
  return state === "ok" ? ["alert"] : [state, "alert"];
}

/** The views that show a job: one whose newest run did not succeed is failing; while one is at work, it is neither. */
export function jobViews({ run, alert }) {
  const views = failed.has(run?.status) ? ["failing"] : run?.status === "succeeded" && !fires(alert) ? ["ok"] : [];
  return fires(alert) ? [...views, "alert"] : views;
}

/** Reports whether somebody should look: nobody has said yet that it is known, by a silence or by acknowledging it. */
export function pressing(views, alert) {
  return !alert?.silenced && !alert?.acknowledged && views.some((view) => ["stale", "failing", "alert"].includes(view));
}
