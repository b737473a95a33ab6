// Prevents pages that some customers cannot use: unreadable for a screen reader or in a dark room, wider than
// a small phone, or stripped by the bank's own content security policy.
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { checkWithAxe } from './accessibility.mjs';
import { FILE_LIMIT, openBank } from './bank.mjs';
import {
  addressOf, balances, enterCode, enterPassword, fillTransfer, ownPair, press, transfer, unusedCode,
} from './steps.mjs';

const PHONE_WIDTH = 320;

test('every page is fit for every customer', { timeout: FILE_LIMIT }, async (t) => {
  const bank = await openBank(t);
  const browser = await bank.openBrowser();

  await t.test('on a desk', async (desk) => {
    const page = await browser.openPage({ viewport: { width: 1280, height: 800 } });
    const complaints = listen(page);
    await walk(page, bank, bank.customers[0], async (name) => {
      for (const colorScheme of ['light', 'dark']) {
        await page.emulateMedia({ colorScheme });
        await photograph(page, `desk-${colorScheme}-${name}`);
        await desk.test(`axe finds nothing on ${name}, ${colorScheme}`, () => checkWithAxe(page));
      }
    });
    await desk.test('the browser blocks nothing and reports no error', () => {
      assert.deepEqual(complaints, [], 'what the browser complained of');
    });
  });

  await t.test('on a phone', async (phone) => {
    const page = await browser.openPage({
      viewport: { width: PHONE_WIDTH, height: 640 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true,
    });
    await walk(page, bank, bank.customers[1], async (name) => {
      await photograph(page, `phone-${name}`);
      await phone.test(`${name} does not scroll sideways`, () => checkWidth(page));
    });
  });
});

// Visits every page of the bank once and calls `look` on each.
async function walk(page, bank, customer, look) {
  await page.goto(`${bank.url}/login`);
  await look('login');
  await page.goto(`${bank.url}/recover`);
  await look('recover');
  await page.goto(`${bank.url}/recover/sent`);
  await look('recover-sent');
  await page.goto(`${bank.url}/recover/confirm?token=${'A'.repeat(64)}`);
  await look('new-password');
  await page.goto(`${bank.url}/recover/factor?token=${'A'.repeat(64)}`);
  await look('recover-factor');
  await page.goto(`${bank.url}/register`);
  await look('register');
  const email = `zoe${randomInt(1e9)}@example.org`;
  const typed = { '#first-name': 'Zoë', '#last-name': 'Quill', '#email': email, '#password': 'too short' };
  for (const [field, text] of Object.entries(typed)) await page.fill(field, text);
  await page.evaluate(() => document.querySelector('#register').noValidate = true);
  await press(page, '#continue', 422);
  await look('register-problem');
  await page.fill('#password', 'three words and more');
  await press(page, '#continue');
  await look('sent');
  const [link] = /https:\S+\?token=\S+/.exec(await bank.mail(email));
  await page.goto(link);
  await look('confirm');
  await press(page, '#continue');
  await look('enrol');
  await enterPassword(page, bank, { email: 'nobody@example.com', password: 'wrong' });
  await look('verify');
  await enterCode(page, '123456');
  assert.equal(await page.locator('p#problem[role=alert]').count(), 1, 'messages after a wrong log-in');
  await look('login-problem');
  await enterPassword(page, bank, customer);
  await enterCode(page, unusedCode(customer));
  assert.equal(addressOf(page), '/accounts', 'address after the log-in');
  await look('accounts');
  const pages = ['password', 'codes', 'factor', 'email', 'profile'].map((name) => `security/${name}`);
  for (const name of ['security', 'sessions', ...pages]) {
    await page.goto(`${bank.url}/${name}`);
    await look(name.replace('/', '-'));
  }

  const { from, to } = ownPair(await balances(page, bank));
  await page.goto(`${bank.url}/transfer`);
  await look('transfer');
  await fillTransfer(page, bank, { from, to: from, cents: 123, description: 'To itself' });
  await press(page, '#send', 422);
  assert.equal(await page.locator('form#transfer').count(), 1, 'forms shown again after a wrong transfer');
  assert.equal(await page.locator('p#problem[role=alert]').count(), 1, 'messages after a wrong transfer');
  await look('transfer-problem');
  // A long word that a customer may well write must not make a page wider.
  const description = 'Donaudampfschifffahrtsgesellschaft 2026';
  await transfer(page, bank, { from, to, cents: 123, description });
  await look('transaction');
  await page.goto(`${bank.url}/accounts/${from}`);
  assert.ok(await page.locator('#history tr[data-transaction]').count() > 0, 'the history is empty');
  await look('account');
}

function listen(page) {
  const complaints = [];
  page.on('console', (message) => {
    // Chromium also reports the wanted answer 422 and an icon that no page asked for.
    const wanted = message.text().includes('status of 422')
      || message.location().url.endsWith('/favicon.ico');
    if (['error', 'warning'].includes(message.type()) && !wanted) {
      complaints.push(`${addressOf(page)}: ${message.text()}`);
    }
  });
  page.on('pageerror', (problem) => complaints.push(`${addressOf(page)}: ${problem}`));
  page.on('requestfailed', (request) => {
    const { errorText } = request.failure();
    // Whoever leaves a live page ends its stream.
    const wanted = request.resourceType() === 'eventsource' && errorText === 'net::ERR_ABORTED';
    if (!wanted) complaints.push(`${request.url()}: ${errorText}`);
  });
  return complaints;
}

async function checkWidth(page) {
  const found = await page.evaluate((limit) => {
    const scrolls = (element) => ['auto', 'scroll'].includes(getComputedStyle(element).overflowX);
    // A part that scrolls by itself is fine, and what it holds may be wider than the page.
    const held = (element) => {
      for (let outer = element.parentElement; outer && outer !== document.body; outer = outer.parentElement) {
        if (scrolls(outer)) return true;
      }
      return false;
    };
    // Text of width 1 or less is there for screen readers only.
    const outside = [...document.body.querySelectorAll('*')].filter((element) => {
      const { right, left, width, height } = element.getBoundingClientRect();
      return width > 1 && height > 1 && (right > limit + 0.5 || left < -0.5) && !held(element);
    });
    return {
      pageWidth: document.documentElement.scrollWidth,
      bodyWidth: document.body.scrollWidth,
      outside: outside.map((element) => element.cloneNode(false).outerHTML.slice(0, 120)),
    };
  }, PHONE_WIDTH);
  const place = `${addressOf(page)} at a width of ${PHONE_WIDTH}`;
  assert.deepEqual(found.outside, [], `elements that stick out of ${place}`);
  assert.ok(found.pageWidth <= PHONE_WIDTH, `${place} is ${found.pageWidth} wide: does it set its viewport?`);
  assert.ok(found.bodyWidth <= PHONE_WIDTH, `the body of ${place} is ${found.bodyWidth} wide`);
}

async function photograph(page, name) {
  const directory = process.env.SCREENSHOTS;
  if (!directory) return;
  await mkdir(directory, { recursive: true });
  await page.screenshot({ path: join(directory, `${name}.png`), fullPage: true });
}
