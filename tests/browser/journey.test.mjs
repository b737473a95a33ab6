// Prevents a bank that its customers cannot use: no way from the log-in to a completed transfer and out
// again, with JavaScript or without it, money that does not arrive to the cent, or a session that outlives
// the log-out.
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import test from 'node:test';
import { FILE_LIMIT, openBank } from './bank.mjs';
import { account, addressOf, balances, logIn, ownPair, press, transfer } from './steps.mjs';

test('a customer moves money between their accounts', { timeout: FILE_LIMIT }, async (t) => {
  const bank = await openBank(t);
  const browser = await bank.openBrowser();

  const [ann, ben] = bank.customers;
  await t.test('with JavaScript', () => travel(bank, browser, ann, { javaScriptEnabled: true }));
  await t.test('without JavaScript', () => travel(bank, browser, ben, { javaScriptEnabled: false }));
});

async function travel(bank, browser, customer, options) {
  const page = await browser.openPage(options);
  await logIn(page, bank, customer);
  await checkCookies(page);

  const before = await balances(page, bank);
  assert.deepEqual([...before.keys()].sort(), [...customer.accounts].sort(), 'accounts in the list');
  const { from, to } = ownPair(before);
  const fromBefore = await account(page, bank, from);
  const toBefore = await account(page, bank, to);

  const cents = amountNotIn([fromBefore, toBefore]);
  const description = `Rent ${randomInt(1e9)}`;
  const name = await transfer(page, bank, { from, to, cents, description });

  const after = await balances(page, bank);
  for (const [each, { cents: balance }] of before) {
    const change = { [from]: -cents, [to]: cents }[each] ?? 0;
    assert.equal(after.get(each).cents - balance, change, `change of the balance of ${each} in the list`);
  }
  checkAccount(from, fromBefore, await account(page, bank, from), { name, description, change: -cents });
  checkAccount(to, toBefore, await account(page, bank, to), { name, description, change: cents });

  await checkLogOut(bank, browser, page);
}

// An amount that no row shows already, so that a row of another transfer cannot pass for this one.
function amountNotIn(accounts) {
  const shown = new Set(accounts.flatMap(({ rows }) => [...rows.values()].map(({ amount }) => amount.size)));
  let cents;
  do cents = randomInt(101, 1000);
  while (shown.has(cents));
  return cents;
}

function checkAccount(which, before, after, { name, description, change }) {
  assert.equal(after.posted - before.posted, change, `change of #balance-posted of ${which}`);
  assert.equal(after.available - before.available, change, `change of #balance-available of ${which}`);
  assert.ok(!before.rows.has(name), `${which} showed ${name} before it was sent`);
  const row = after.rows.get(name);
  assert.ok(row, `the history of ${which} has no row for ${name}`);
  assert.equal(row.amount.size, Math.abs(change), `amount of ${name} in the history of ${which}`);
  // A history may leave signs out, but a sign that is shown must be the right one.
  if (row.amount.sign) assert.equal(row.amount.cents, change, `signed amount of ${name} in ${which}`);
  assert.ok(row.description.includes(description), `description of ${name} in ${which}: ${row.description}`);
  assert.notEqual(row.date, '', `date of ${name} in the history of ${which}`);
}

async function checkCookies(page) {
  const cookies = await page.context().cookies();
  assert.ok(cookies.length > 0, 'logging in set no cookie');
  for (const { name, secure, httpOnly, sameSite } of cookies) {
    assert.match(name, /^__Host-/, 'name of a cookie');
    assert.ok(secure && httpOnly, `${name} must be Secure and HttpOnly`);
    assert.ok(['Strict', 'Lax'].includes(sameSite), `${name} has SameSite=${sameSite}`);
  }
}

// A second visitor with the same cookies stands for somebody who took them down before the log-out.
async function checkLogOut(bank, browser, page) {
  const cookies = await page.context().cookies();
  const thief = await browser.openContext();
  await thief.addCookies(cookies.map(({ domain, path, ...cookie }) => ({ ...cookie, url: bank.url })));
  const stolen = await thief.newPage();
  await stolen.goto(`${bank.url}/accounts`);
  assert.equal(addressOf(stolen), '/accounts', 'address with copied cookies before the log-out');

  await page.goto(`${bank.url}/accounts`);
  await press(page, '#log-out button');
  assert.equal(addressOf(page), '/login', 'address after the log-out');
  // In a page of its own: the one that is open leaves by itself when it hears of the log-out.
  const later = await thief.newPage();
  await later.goto(`${bank.url}/accounts`);
  assert.equal(addressOf(later), '/login', 'address with the old cookies after the log-out');
  assert.equal(await later.locator('#accounts').count(), 0, 'lists of accounts shown for the old cookies');

  // The browser's own memory of the page must not show the balances to whoever sits down next.
  await page.goBack();
  assert.equal(addressOf(page), '/login', 'address after going back from the log-out');
  assert.equal(await page.locator('#accounts').count(), 0, 'lists of accounts shown after going back');
}
