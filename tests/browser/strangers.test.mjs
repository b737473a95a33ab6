// Prevents a page of a stranger, open in the same browser, from acting in a customer's name: from posting the
// bank's forms on their behalf, and from showing the bank in a frame to steer their clicks.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import test from 'node:test';
import { FILE_LIMIT, openBank } from './bank.mjs';
import { account, balances, fillTransfer, logIn, ownPair, transfer } from './steps.mjs';

const STOLEN_CENTS = 111;
const STOLEN_DESCRIPTION = 'Stolen';
const OWN_CENTS = 222;

test('pages of strangers', { timeout: FILE_LIMIT }, async (t) => {
  const bank = await openBank(t);
  const browser = await bank.openBrowser();
  // Without this permission Chromium itself keeps frames of one port from loading what another port serves.
  const context = await browser.openContext({ permissions: ['local-network-access'] });
  const page = await context.newPage();
  await logIn(page, bank, bank.customers[0]);
  const { from, to } = ownPair(await balances(page, bank));
  const before = { from: await account(page, bank, from), to: await account(page, bank, to) };

  // The stranger knows the forms, and has a token of their own since they are a customer too.
  const loot = { from, to, cents: STOLEN_CENTS, description: STOLEN_DESCRIPTION };
  await fillTransfer(page, bank, loot);
  const forms = {
    '/transfer': await fieldsOf(page, '#transfer'),
    '/logout': await fieldsOf(page, '#log-out'),
  };
  const strangerPage = await browser.openPage();
  await logIn(strangerPage, bank, bank.customers[1]);
  await strangerPage.goto(`${bank.url}/transfer`);
  const token = Object.fromEntries(await fieldsOf(strangerPage, '#transfer')).csrf;
  assert.ok(token, 'the form to transfer carries no csrf');

  const strangers = await openStrangers(t, context);
  for (const stranger of strangers) {
    for (const path of ['/transfer', '/logout']) {
      for (const [which, csrf] of [['no token', null], ['a token of their own', token]]) {
        await t.test(`${stranger.who} cannot post to ${path} with ${which}`, async () => {
          const fields = forms[path].filter(([name]) => name !== 'csrf');
          assert.equal(fields.length, forms[path].length - 1, `hidden inputs csrf in the form to ${path}`);
          if (csrf) fields.push(['csrf', csrf]);
          await postFrom(stranger, bank.url + path, fields);
          // A log-out would show here at once; a transfer is looked for at the end, when it had time to run.
          await balances(page, bank);
        });
      }
    }
  }

  // A transfer of the customer's own shows that the form was good, and is done after any that was stolen.
  await t.test('nothing but the own transfer was done', async () => {
    const own = await transfer(page, bank, { from, to, cents: OWN_CENTS, description: 'Own' });
    for (const [end, name, change] of [['from', from, -OWN_CENTS], ['to', to, OWN_CENTS]]) {
      const { posted, available } = before[end];
      const after = await account(page, bank, name);
      const rows = [...after.rows.keys()].filter((row) => !before[end].rows.has(row));
      assert.deepEqual(rows, [own], `new rows in the history of ${name}`);
      assert.equal(after.posted - posted, change, `change of #balance-posted of ${name}`);
      assert.equal(after.available - available, change, `change of #balance-available of ${name}`);
    }
  });

  // The customer is still logged in, so that /transfer is not just another way to the log-in.
  for (const stranger of strangers.filter(({ mayFrame }) => mayFrame)) {
    for (const path of ['/login', '/transfer']) {
      await t.test(`${stranger.who} cannot frame ${path}`, async () => {
        await checkFrame(context, stranger, bank.url + path);
      });
    }
  }
});

// What the browser would send for a form of the page that is open.
function fieldsOf(page, form) {
  return page.locator(form).evaluate((element) => [...new FormData(element)]);
}

const escape = (text) => text.replace(/[&<>"]/g, (letter) => `&#${letter.charCodeAt(0)};`);

const html = (body) => `<!doctype html><meta charset="utf-8"><title>Stranger</title>${body}`;

function formPage(target, fields) {
  const inputs = fields.map(([name, value]) =>
    `<input type="hidden" name="${escape(name)}" value="${escape(value)}">`);
  return html(`<form method="post" action="${target}">${inputs.join('')}<button>Win a prize</button></form>`);
}

// Each stranger opens a page with the given content in the customer's browser.
async function openStrangers(t, context) {
  let content = '';
  const site = createServer((request, response) => response
    .writeHead(request.url === '/' ? 200 : 404, { 'Content-Type': 'text/html; charset=utf-8' })
    .end(request.url === '/' ? content : ''));
  site.listen(0, '127.0.0.1');
  await once(site, 'listening');
  t.after(() => {
    site.closeAllConnections();
    site.close();
  });
  // This page is made inside the browser, which spares a second certificate.
  const neighbour = 'https://localhost:8443/';
  await context.route(neighbour, (route) => route.fulfill({ contentType: 'text/html', body: content }));

  const visit = async (address) => {
    const page = await context.newPage();
    await page.goto(address);
    return page;
  };
  const visitWith = (address) => (shown) => {
    content = shown;
    return visit(address);
  };
  return [
    { who: 'another site', show: visitWith(`http://127.0.0.1:${site.address().port}/`), mayFrame: true },
    // Another port is another origin but the same site, so that no SameSite attribute holds the cookies back.
    { who: 'another port of the same host', show: visitWith(neighbour), mayFrame: true, sendsCookies: true },
    // Chromium lets no such page frame anything on this machine, whatever the bank says.
    {
      who: 'a page without an origin',
      show: (shown) => visit(`data:text/html;charset=utf-8,${encodeURIComponent(shown)}`),
    },
  ];
}

// The answer of the bank is awaited, so that a form that was never sent does not pass for one that was
// refused.
async function postFrom({ who, show, sendsCookies }, target, fields) {
  const page = await show(formPage(target, fields));
  const [answer] = await Promise.all([
    page.waitForResponse((response) => response.request().method() === 'POST' && response.url() === target),
    page.waitForEvent('load'),
    page.click('button'),
  ]);
  if (sendsCookies) {
    const { cookie } = await answer.request().allHeaders();
    assert.match(String(cookie), /__Host-/, `cookies sent by ${who}, for the token to be what is tested`);
  }
  const shown = new URL(page.url()).pathname;
  assert.ok(!shown.startsWith('/transactions/'), `a form of ${who} led to ${shown}`);
  await page.close();
}

// A frame also stays blank when it cannot reach the bank, hence the reason is looked at as well. The second
// frame shows that frames work on this page.
async function checkFrame(context, { who, show }, target) {
  const refusal = context.waitForEvent('requestfailed', (request) => request.frame().parentFrame() !== null);
  refusal.catch(() => {});
  const page = await show(html(`<iframe id="bank" src="${target}"></iframe>
    <iframe id="harmless" srcdoc="<form>Harmless</form>"></iframe>`));
  const forms = (frame) => page.locator(frame).contentFrame().locator('form').count();
  assert.equal(await forms('#harmless'), 1, `forms in the harmless frame of ${who}`);
  assert.equal(await forms('#bank'), 0, `forms of the bank in a frame of ${who}`);
  const { errorText } = (await refusal).failure();
  assert.equal(errorText, 'net::ERR_BLOCKED_BY_RESPONSE', `why ${target} was not framed by ${who}`);
  await page.close();
}
