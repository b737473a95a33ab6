// Prevents a staff that cannot do its work in a browser, or does more than it may: a reversal that one person
// makes alone, pages of the staff that a customer gets to, or that a screen reader cannot read.
import assert from 'node:assert/strict';
import test from 'node:test';
import { checkWithAxe } from './accessibility.mjs';
import { FILE_LIMIT, openBank } from './bank.mjs';
import {
  account, addressOf, balances, enterCode, enterPassword, logIn, ownPair, press, transfer, unusedCode,
} from './steps.mjs';

const CENTS = 137;

test('two members of the staff reverse a transfer', { timeout: FILE_LIMIT }, async (t) => {
  const bank = await openBank(t);
  const browser = await bank.openBrowser();
  const [ann] = bank.customers;
  const member = (role) => bank.staff.find(({ roles }) => roles.includes(role));

  const customer = await browser.openPage();
  await logIn(customer, bank, ann);
  const { from, to } = ownPair(await balances(customer, bank));
  const before = await account(customer, bank, from);
  const name = await transfer(customer, bank, { from, to, cents: CENTS, description: 'By mistake' });

  await t.test('a customer does not get behind the counter', async () => {
    for (const path of ['/staff', '/staff/approvals', `/staff/accounts/${from}`]) {
      const answer = await customer.goto(bank.url + path);
      assert.equal(answer.status(), 403, `status of ${path} for a customer`);
    }
  });

  // No JavaScript: what the staff does may not depend on it.
  const maker = await browser.openPage({ javaScriptEnabled: false });
  const checker = await browser.openPage();
  await comeIn(maker, bank, member('operations'));
  await comeIn(checker, bank, member('admin'));

  await t.test('the maker finds the transfer and asks for its reversal', async () => {
    await maker.fill('#customer', ann.email);
    await press(maker, '#find-now');
    assert.match(addressOf(maker), /^\/staff\/customers\/usr_\w+$/, 'address after a customer was found');
    assert.equal(await maker.locator('#customer-email').innerText(), ann.email, 'address of the customer');
    await press(maker, `[data-account="${from}"] a`);
    await press(maker, `[data-transaction="${name}"] a`);
    await maker.fill('#reversal-reason', 'Sent by mistake');
    await press(maker, '#reversal-now');
    assert.equal(await maker.locator('#reversal-standing').count(), 1, 'marks that it waits for approval');
    await maker.goto(`${bank.url}/staff/approvals`);
    assert.equal(await maker.locator('.approve').count(), 0, 'buttons to approve what one asked for');
  });

  await t.test('the checker approves it', async () => {
    await checker.goto(`${bank.url}/staff/approvals`);
    await checkWithAxe(checker);
    await press(checker, `[data-id="${name}"] .approve`);
    assert.equal(await checker.locator('#nothing').count(), 1, 'marks that nothing waits');
    await checker.goto(`${bank.url}/staff/transactions/${name}`);
    assert.equal(await checker.locator('#status').innerText(), 'REVERSED', 'status of the transfer');
    await checkWithAxe(checker);
    const { posted } = await account(customer, bank, from);
    assert.equal(posted, before.posted, 'balance of the customer after the reversal');
  });

  await t.test('axe finds nothing on the other pages of the staff', async () => {
    const pages = ['/staff', `/staff/accounts/${from}`, addressOf(await found(maker, bank, ann))];
    for (const path of pages) {
      await checker.goto(bank.url + path);
      await checkWithAxe(checker);
    }
  });
});

async function comeIn(page, bank, member) {
  await enterPassword(page, bank, member);
  await enterCode(page, unusedCode(member));
  assert.equal(addressOf(page), '/staff', `address after ${member.email} logged in`);
}

async function found(page, bank, customer) {
  await page.goto(`${bank.url}/staff`);
  await page.fill('#customer', customer.email);
  await press(page, '#find-now');
  return page;
}
