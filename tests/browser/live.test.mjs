// Prevents pages that show what is no more while their customer looks at them, that show a customer's money after
// somebody has logged out, or that need a script to show anything.
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import test from 'node:test';
import { checkWithAxe } from './accessibility.mjs';
import { FILE_LIMIT, PAGE_LIMIT, openBank } from './bank.mjs';
import { addPayee, addressOf, confirmPayment, logIn, money, numberOf, press } from './steps.mjs';

test('pages are live', { timeout: FILE_LIMIT }, async (t) => {
  const bank = await openBank(t);
  const browser = await bank.openBrowser();
  const [ada, ben] = bank.customers;
  const target = ben.accounts[0];

  const payer = await browser.openPage();
  await logIn(payer, bank, ada);
  const his = await browser.openContext();
  const overview = await his.newPage();
  await logIn(overview, bank, ben);
  const number = await numberOf(overview, bank, target);
  const details = await his.newPage();
  await details.goto(`${bank.url}/accounts/${target}`);
  const payee = await addPayee(payer, bank, { name: 'Ben Example', number, check: 'match' });

  await t.test('a payment of another customer shows up without a reload', async () => {
    const loads = loadsOf(overview, details);
    const cents = randomInt(1_000, 5_000);
    const before = money(await details.locator('#balance-posted').innerText()).cents;
    const link = overview.locator(`[data-account="${target}"] a`);
    await link.focus();
    await confirmPayment(payer, bank, { customer: ada, payee, cents, description: 'Concert tickets' });
    await details.locator('#history tbody tr', { hasText: 'Concert tickets' }).waitFor({ timeout: PAGE_LIMIT });
    assert.equal(money(await details.locator('#balance-posted').innerText()).cents, before + cents);
    await overview.locator('#news', { hasText: 'Your accounts have changed' }).waitFor({ state: 'attached' });
    await overview.waitForFunction(
      ([account, text]) => document.querySelector(`[data-account="${account}"] .balance`).innerText === text,
      [target, await details.locator('#balance-available').innerText()],
    );
    assert.ok(await link.evaluate((element) => element === document.activeElement), 'focus stays where it was');
    assert.deepEqual(loads, [], 'no page was loaded');
    await checkWithAxe(overview);
    await checkWithAxe(details);
  });

  await t.test('a page goes on after the bank was closed and opened again', async () => {
    const loads = loadsOf(details);
    await bank.restart();
    await logIn(payer, bank, bank.customers[2]);
    const again = await addPayee(payer, bank, { name: 'Ben Example', number, check: 'match' });
    const payment = { customer: bank.customers[2], payee: again, cents: 1_234, description: 'After a while' };
    await confirmPayment(payer, bank, payment);
    await details.locator('#history tbody tr', { hasText: 'After a while' }).waitFor({ timeout: PAGE_LIMIT });
    assert.deepEqual(loads, []);
  });

  await t.test('without JavaScript a page is as it was loaded', async () => {
    const plain = await browser.openContext({ javaScriptEnabled: false, storageState: await his.storageState() });
    const page = await plain.newPage();
    await page.goto(`${bank.url}/accounts/${target}`);
    assert.ok(await page.locator('#history tbody tr', { hasText: 'After a while' }).isVisible());
    assert.equal(await page.locator('#news').textContent(), '');
  });

  await t.test('who logs out in one window is logged out in all', async () => {
    await Promise.all([
      details.waitForURL(`${bank.url}/login`),
      press(overview, '#log-out button'),
    ]);
    assert.equal(addressOf(overview), '/login');
  });
});

// The addresses of pages that are loaded from now on.
function loadsOf(...pages) {
  const loads = [];
  for (const page of pages) {
    page.on('request', (request) => {
      if (request.isNavigationRequest()) loads.push(request.url());
    });
  }
  return loads;
}
