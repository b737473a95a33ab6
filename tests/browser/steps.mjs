// Prevents tests that read a page too early or read an amount too loosely: each step waits for the page it
// leads to, and every amount must be written exactly as the bank writes money.
import assert from 'node:assert/strict';
import { PAGE_LIMIT, codeOf, currentStep } from './bank.mjs';

const COMPLETION_LIMIT = 20_000;

// Presses a button and waits for the answer that is shown in the end, after redirections. Waiting for an
// address would not do, since a form that is shown again keeps its address.
export async function press(page, selector, status = 200) {
  const [answer] = await Promise.all([
    page.waitForResponse((response) => response.request().isNavigationRequest()
      && response.frame() === page.mainFrame() && Math.trunc(response.status() / 100) !== 3),
    page.waitForEvent('load'),
    // A button that cannot be pressed has to be what is reported, not the answer that never came.
    page.click(selector, { timeout: PAGE_LIMIT / 2 }),
  ]);
  assert.equal(answer.status(), status, `status of ${answer.url()} after ${selector} was pressed`);
}

export const addressOf = (page) => {
  const { pathname, search } = new URL(page.url());
  return pathname + search;
};

const lastSteps = new WeakMap();

// The server accepts the code of the last, this and the next step, each of them once.
export function unusedCode(customer) {
  const step = Math.max(currentStep(), (lastSteps.get(customer) ?? 0) + 1);
  assert.ok(step <= currentStep() + 1, `${customer.email} has no unused code left: log in as somebody else`);
  lastSteps.set(customer, step);
  return codeOf(customer.totp_secret, step);
}

export async function enterPassword(page, bank, { email, password }) {
  await page.goto(`${bank.url}/login`);
  await page.fill('#email', email);
  await page.fill('#password', password);
  await press(page, '#continue');
  assert.equal(addressOf(page), '/login/verify', 'address after the password was sent');
}

export async function enterCode(page, code) {
  await page.fill('#code', code);
  await press(page, '#sign-in');
}

export async function logIn(page, bank, customer) {
  await enterPassword(page, bank, customer);
  await enterCode(page, unusedCode(customer));
  assert.equal(addressOf(page), '/accounts', `address after ${customer.email} logged in`);
}

const textOf = async (locator) => (await locator.innerText()).trim();

// Takes "€1,234.56", with a sign before or after the symbol, apart into its currency and its cents.
export function money(text) {
  const match = /^([-−+]?)(\p{Sc})([-−+]?)(\d{1,3}(?:,\d{3})*)\.(\d{2})$/u.exec(text);
  assert.ok(match && !(match[1] && match[3]), `not an amount of money: ${JSON.stringify(text)}`);
  const [, before, currency, after, whole, cents] = match;
  const sign = before || after;
  const size = Number(whole.replaceAll(',', '')) * 100 + Number(cents);
  return { currency, sign, size, cents: sign === '-' || sign === '−' ? -size : size };
}

// The accounts in the list, as a map from their names (acc_..) to their balances.
export async function balances(page, bank) {
  await page.goto(`${bank.url}/accounts`);
  assert.equal(addressOf(page), '/accounts', 'address of the list of accounts, when logged in');
  const found = new Map();
  for (const row of await page.locator('#accounts li.account').all()) {
    const link = row.locator('a.account-link');
    const account = await row.getAttribute('data-account');
    const address = await link.getAttribute('href');
    assert.equal(address, `/accounts/${account}`, 'address of an account in the list');
    found.set(account, money(await textOf(row.locator('.balance'))));
  }
  assert.ok(found.size > 0, '/accounts shows no account');
  return found;
}

// Two accounts with the same currency, the first with at least 10.00 on it.
export function ownPair(found) {
  for (const [from, balance] of found) {
    const fits = (other) => other !== from && found.get(other).currency === balance.currency;
    const to = [...found.keys()].find(fits);
    if (to && balance.cents >= 1000) return { from, to };
  }
  return assert.fail(`no two accounts of one currency with money on one: ${JSON.stringify([...found])}`);
}

export const decimal = (cents) => `${Math.trunc(cents / 100)}.${String(cents % 100).padStart(2, '0')}`;

export async function fillTransfer(page, bank, { from, to, cents, description }) {
  await page.goto(`${bank.url}/transfer`);
  await page.selectOption('#from', from);
  await page.selectOption('#to', to);
  await page.fill('#amount', decimal(cents));
  await page.fill('#description', description);
}

// Returns the name of the transaction (txn_..) after it is COMPLETED.
export async function transfer(page, bank, order) {
  await fillTransfer(page, bank, order);
  await press(page, '#send');
  const name = /^\/transactions\/(txn_\w+)$/.exec(addressOf(page))?.[1];
  assert.ok(name, `after a transfer was sent the address is ${addressOf(page)}`);
  const deadline = Date.now() + COMPLETION_LIMIT;
  for (;;) {
    const status = await textOf(page.locator('#status'));
    if (status === 'COMPLETED') break;
    assert.equal(status, 'PENDING', `status of ${name}`);
    assert.ok(Date.now() < deadline, `${name} was still PENDING after ${COMPLETION_LIMIT / 1000} s`);
    await page.reload();
  }
  assert.equal(money(await textOf(page.locator('#amount'))).size, order.cents, `#amount of ${name}`);
  assert.match(await textOf(page.locator('#reference')), /^TXN-\d{4}-\d{9}$/, `#reference of ${name}`);
  return name;
}

// What the page of one account shows.
export async function account(page, bank, name) {
  await page.goto(`${bank.url}/accounts/${name}`);
  assert.equal(addressOf(page), `/accounts/${name}`, 'address of an account, when logged in');
  const chart = await page.locator('svg#balance-chart').boundingBox();
  assert.ok(chart?.width > 0 && chart.height > 0, `${name} shows no svg#balance-chart`);
  const rows = new Map();
  for (const row of await page.locator('table#history tr[data-transaction]').all()) {
    rows.set(await row.getAttribute('data-transaction'), {
      amount: money(await textOf(row.locator('td.amount'))),
      description: await textOf(row.locator('td.description')),
      date: await textOf(row.locator('td.date')),
    });
  }
  return {
    posted: money(await textOf(page.locator('#balance-posted'))).cents,
    available: money(await textOf(page.locator('#balance-available'))).cents,
    rows,
  };
}

// Notes somebody's number, and checks what is said of the name.
export async function addPayee(page, bank, { name, number, check }) {
  await page.goto(`${bank.url}/payees`);
  await page.fill('#name', name);
  await page.fill('#number', number);
  await press(page, '#add');
  const row = page.locator('#payees .payee').last();
  assert.equal(await row.locator('.name').innerText(), name);
  assert.match(await row.locator('.check').getAttribute('class'), new RegExp(`\\b${check}\\b`));
  return row.getAttribute('data-payee');
}

// Asks for a payment to a payee; a code is asked for then.
export async function orderPayment(page, bank, { payee, cents, description }) {
  await page.goto(`${bank.url}/transfer?to=${payee}`);
  await page.fill('#amount', decimal(cents));
  await page.fill('#description', description);
  await press(page, '#send');
}

// The number of an account, as people write it.
export async function numberOf(page, bank, name) {
  await page.goto(`${bank.url}/accounts`);
  return (await page.locator(`[data-account="${name}"] .number`).innerText()).trim();
}

// Waits on a transaction's page until it is completed.
export async function settled(page) {
  for (let tries = 0; tries < 200; tries += 1) {
    const status = await page.locator('#status').innerText();
    if (status === 'COMPLETED') return;
    assert.equal(status, 'PENDING');
    await page.reload();
  }
  assert.fail('the payment was never completed');
}

// Pays a payee, with a code for just this payment.
export async function confirmPayment(page, bank, { customer, payee, cents, description }) {
  await orderPayment(page, bank, { payee, cents, description });
  await page.fill('#code', unusedCode(customer));
  await press(page, '#approve');
  assert.match(addressOf(page), /^\/transactions\/txn_\w+$/);
}
