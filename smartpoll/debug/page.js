// The page works without this script: it is whole when it comes, its filters are
// links and its buttons forms. The script keeps it up to date.

const every = 2000; // milliseconds
const parts = ['loop', 'filters', 'tasks'];
let newest = 0; // request: what an older one brings is out of date

// show puts the page that a request brings in the place of this one, and leaves
// alone what a person is in the middle of: scrolling, typing, the focus.
async function show(init) {
  const request = ++newest;
  const response = await fetch(location.href, { headers: { Accept: 'text/html' }, ...init });
  const page = new DOMParser().parseFromString(await response.text(), 'text/html');
  if (request !== newest) return;
  if (!parts.every(id => page.getElementById(id))) throw new Error('not this page');
  const focused = document.activeElement;
  const row = focused?.closest('tbody')?.id;
  for (const id of parts) document.getElementById(id).replaceWith(page.getElementById(id));
  if (focused?.id && !focused.isConnected) {
    const again = document.getElementById(focused.id)
      ?? document.getElementById(row)?.querySelector('button:not(:disabled)');
    again?.focus({ preventScroll: true });
  }
}

// held tells whether somebody is pressing a button or selecting text.
function held() {
  return document.querySelector('main :active, .filters :active') || !getSelection().isCollapsed;
}

function lost() {
  const loop = document.getElementById('loop');
  loop.dataset.tone = 'lost';
  loop.querySelector('use').setAttribute('href', '#failing');
  loop.querySelector('span').textContent = 'No answer';
}

async function tick() {
  if (!document.hidden && !held()) await show().catch(lost);
  setTimeout(tick, every);
}
setTimeout(tick, every);

document.addEventListener('visibilitychange', () => {
  if (!document.hidden) show().catch(lost);
});

document.addEventListener('submit', event => {
  const { target: form, submitter } = event;
  if (form.method !== 'post') return;
  event.preventDefault();
  const done = submitter.getAttribute('aria-label');
  show({ method: 'POST', body: new URLSearchParams(new FormData(form, submitter)) }).then(() => {
    const problem = document.querySelector('[role=alert]');
    document.getElementById('announcer').textContent = problem ? '' : `${done}: done`;
  }, lost);
});
