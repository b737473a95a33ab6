// Prevents a bank that is there only as long as its first process: balances, history, passwords or logins that
// are lost or changed when the same directory is served again.
import assert from 'node:assert/strict';
import test from 'node:test';
import { FILE_LIMIT, openBank } from './bank.mjs';
import { account, addressOf, balances, logIn, ownPair, transfer } from './steps.mjs';

test('a bank that was stopped is the same when it opens again', { timeout: FILE_LIMIT }, async (t) => {
  const bank = await openBank(t);
  const browser = await bank.openBrowser();
  const [ann, ben] = bank.customers;
  const page = await browser.openPage();
  await logIn(page, bank, ann);
  const { from, to } = ownPair(await balances(page, bank));
  await transfer(page, bank, { from, to, cents: 321, description: 'Before' });
  const [before, beforeTo] = [await balances(page, bank), await account(page, bank, from)];

  await bank.restart();

  // The login is in the ledger, not in the process.
  assert.deepEqual(await balances(page, bank), before, 'balances after the bank was opened again');
  assert.deepEqual(await account(page, bank, from), beforeTo, 'an account after the bank was opened again');
  const name = await transfer(page, bank, { from, to, cents: 123, description: 'After' });
  const after = await balances(page, bank);
  assert.equal(after.get(from).cents - before.get(from).cents, -123, 'the account that sent');
  assert.equal(after.get(to).cents - before.get(to).cents, 123, 'the account that got it');
  assert.ok((await account(page, bank, to)).rows.has(name), 'the transfer is in the history');

  const another = await browser.openPage();
  await logIn(another, bank, ben);
  assert.equal(addressOf(another), '/accounts', 'somebody else logs in as before');
});
