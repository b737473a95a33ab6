// Keeps a page true while it is open: when something happens on its customer's accounts, the page is read again, and
// its live part takes the place of the old one. Without scripts the page is as it was loaded.
'use strict';

const REFUSED_PAUSE_MS = 10_000;

const live = document.getElementById('live');
const news = document.getElementById('news');
let isReading = false;
let isStale = false;

function listen() {
  const stream = new EventSource(`/live?after=${live.dataset.after}`);
  stream.onmessage = ({ data }) => {
    if (JSON.parse(data).type === 'session.ended') location.reload();
    else refresh();
  };
  stream.onopen = () => {
    if (isStale) refresh();
  };
  // A browser comes back by itself when it was cut off, but not when it was refused.
  stream.onerror = () => {
    if (stream.readyState === EventSource.CLOSED) setTimeout(listenAgain, REFUSED_PAUSE_MS);
  };
}

async function listenAgain() {
  await refresh();
  listen();
}

// What happens while the page is read makes it stale once more.
async function refresh() {
  isStale = true;
  if (isReading) return;
  isReading = true;
  while (isStale) {
    isStale = false;
    const page = await read().catch(() => null);
    if (page === null) {
      isStale = true;
      break;
    }
    show(page.getElementById('live'));
  }
  isReading = false;
}

// The page as it is now, or null. The header says that nobody asks for it: it keeps no login alive.
async function read() {
  const answer = await fetch(location.href, { headers: { 'x-refresh': 'live' }, redirect: 'manual' });
  // Nobody is logged in any more: the page leads away.
  if (answer.type === 'opaqueredirect') location.reload();
  if (!answer.ok) return null;
  return new DOMParser().parseFromString(await answer.text(), 'text/html');
}

function show(fresh) {
  const focused = live.contains(document.activeElement) ? document.activeElement.getAttribute('href') : null;
  live.dataset.after = fresh.dataset.after;
  live.replaceChildren(...fresh.childNodes);
  const links = [...live.querySelectorAll('a')];
  links.find((link) => link.getAttribute('href') === focused)?.focus({ preventScroll: true });
  news.textContent = `Your accounts have changed, ${new Date().toLocaleTimeString()}.`;
}

listen();
