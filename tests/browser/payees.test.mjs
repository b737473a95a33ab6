// Prevents payments to others that nobody confirmed, that go to somebody else than the page said, or that
// never arrive.
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import test from 'node:test';
import { checkWithAxe } from './accessibility.mjs';
import { FILE_LIMIT, openBank } from './bank.mjs';
import {
  account, addPayee, addressOf, balances, logIn, money, numberOf, orderPayment, press, settled, unusedCode,
} from './steps.mjs';

test('a customer pays another customer', { timeout: FILE_LIMIT }, async (t) => {
  const bank = await openBank(t);
  const browser = await bank.openBrowser();
  const [ada, ben, cleo] = bank.customers;

  const his = await browser.openPage();
  await logIn(his, bank, ben);
  const target = ben.accounts[0];
  const number = await numberOf(his, bank, target);
  const before = await account(his, bank, target);

  const page = await browser.openPage({ javaScriptEnabled: false });
  await logIn(page, bank, ada);
  await t.test('a name is checked and never told', () => checkNames(page, bank, number));

  const payee = await addPayee(page, bank, { name: 'Ben Example', number, check: 'match' });
  const cents = randomInt(1_000, 5_000);
  const description = `Concert tickets ${randomInt(1e9)}`;

  await t.test('a payment is confirmed by a code, for what the page says', async () => {
    const held = await balances(page, bank);
    await orderPayment(page, bank, { payee, cents, description });
    assert.match(await page.locator('h1').innerText(), /^Send €[\d.,]+ to Ben Example\?$/);
    assert.equal(money(await page.locator('#confirm-amount').innerText()).size, cents);
    assert.equal(await page.locator('#confirm-payee').innerText(), 'Ben Example');
    assert.equal(await page.locator('#confirm-number').innerText(), number);

    await page.fill('#code', '000000');
    await press(page, '#approve', 422);
    assert.match(await page.locator('#problem').innerText(), /that code does not match/);
    assert.deepEqual(await balances(page, bank), held, 'nothing is sent with a wrong code');
  });

  await t.test('it arrives', async () => {
    await orderPayment(page, bank, { payee, cents, description });
    await page.fill('#code', unusedCode(ada));
    await press(page, '#approve');
    assert.match(addressOf(page), /^\/transactions\/txn_\w+$/);
    await settled(page);
    const after = await account(his, bank, target);
    assert.equal(after.posted - before.posted, cents, 'what arrived');
    const name = addressOf(page).split('/').at(-1);
    assert.match(after.rows.get(name)?.description ?? '', new RegExp(`Ada Example.*${description}`));
  });

  await t.test('what was confirmed is sent as it was confirmed', () => checkEdited(bank, { customer: cleo, browser, number }));

  await t.test('a payee is a favourite until it is none', async () => {
    await page.goto(`${bank.url}/payees`);
    const favourite = page.locator(`[data-payee="${payee}"] .favourite`);
    assert.equal(await favourite.count(), 0);
    await press(page, `[data-payee="${payee}"] .mark`);
    assert.equal(await favourite.innerText(), 'Favourite');
    await press(page, `[data-payee="${payee}"] .mark`);
    assert.equal(await favourite.count(), 0);
  });

  await t.test('a payee is removed', async () => {
    await page.goto(`${bank.url}/payees`);
    await press(page, `[data-payee="${payee}"] .remove`);
    assert.equal(await page.locator(`[data-payee="${payee}"]`).count(), 0);
  });
});

// A form that is changed after the code was asked for is asked for again.
async function checkEdited(bank, { customer, browser, number }) {
  const page = await browser.openPage();
  await logIn(page, bank, customer);
  const payee = await addPayee(page, bank, { name: 'Ben Example', number, check: 'match' });
  await checkWithAxe(page);
  const before = await balances(page, bank);
  await orderPayment(page, bank, { payee, cents: 1_000, description: 'edited' });
  await checkWithAxe(page);
  await page.evaluate(() => { document.querySelector('input[name=amount]').value = '99.00'; });
  await page.fill('#code', unusedCode(customer));
  await press(page, '#approve');
  assert.equal(money(await page.locator('#confirm-amount').innerText()).size, 9_900, 'it is asked for what it is');
  assert.deepEqual(await balances(page, bank), before, 'nothing is sent');
}

async function checkNames(page, bank, number) {
  for (const [name, check] of [['Otto Sommer', 'none'], ['Ben Exampel', 'close']]) {
    const payee = await addPayee(page, bank, { name, number, check });
    assert.ok(!(await page.content()).includes('Ben Example'), 'the name of who has the account is not told');
    await press(page, `[data-payee="${payee}"] .remove`);
  }
  await page.goto(`${bank.url}/payees`);
  await page.fill('#name', 'Ben Example');
  await page.fill('#number', `${number.slice(0, -1)}${(Number(number.at(-1)) + 1) % 10}`);
  await press(page, '#add', 422);
  assert.match(await page.locator('#problem').innerText(), /check digits/);
}
