// Prevents every other test here from passing over a connection that no customer's browser would accept: it
// shows that this Chromium refuses the bank's certificate as long as nobody told it to trust the bank's
// authority.
import assert from 'node:assert/strict';
import test from 'node:test';
import { FILE_LIMIT, openBank } from './bank.mjs';
import { addressOf } from './steps.mjs';

test('only the authority of the bank makes its certificate good', { timeout: FILE_LIMIT }, async (t) => {
  const bank = await openBank(t);

  const trusting = await (await bank.openBrowser()).openPage();
  const answer = await trusting.goto(`${bank.url}/login`);
  assert.equal(answer.status(), 200, 'status of the log-in page');
  assert.equal(addressOf(trusting), '/login');
  assert.equal(await trusting.evaluate(() => location.origin), bank.url, 'origin of the log-in page');

  const doubting = await (await bank.openBrowser({ trusting: false })).openPage();
  await assert.rejects(doubting.goto(`${bank.url}/login`), /net::ERR_CERT_AUTHORITY_INVALID/,
    'a browser that does not know the authority must refuse the certificate');
});
