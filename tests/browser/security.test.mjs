// Prevents a customer who cannot help themselves: no way to end a login that somebody has taken, to change a password,
// or to come back in without it; with JavaScript or without it.
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import test from 'node:test';
import { FILE_LIMIT, openBank } from './bank.mjs';
import { addressOf, enterCode, enterPassword, logIn, press, unusedCode } from './steps.mjs';

test('a customer looks after their logins and their password', { timeout: FILE_LIMIT }, async (t) => {
  const bank = await openBank(t);
  const browser = await bank.openBrowser();
  const [ann, ben, cleo] = bank.customers;
  await t.test('logins are listed and ended', async () => {
    const desk = await browser.openPage({ javaScriptEnabled: false });
    const phone = await browser.openPage({ viewport: { width: 320, height: 640 }, isMobile: true });
    await logIn(desk, bank, ann);
    await logIn(phone, bank, ann);
    await desk.click('nav >> text=Security');
    await desk.click('text=Where you are logged in');
    assert.equal(addressOf(desk), '/sessions', 'address of the list of logins');
    const others = desk.locator('#sessions li:not(:has(.this))');
    assert.equal(await desk.locator('#sessions li').count(), 2, 'logins in the list');
    assert.equal(await others.count(), 1, 'logins that are not this one');
    await press(desk, '#sessions li:not(:has(.this)) button.end');
    assert.equal(await desk.locator('#sessions li').count(), 1, 'logins after one was ended');
    await phone.goto(`${bank.url}/accounts`);
    assert.equal(addressOf(phone), '/login', 'where a login that was ended leads');
  });
  await t.test('a forgotten password is replaced', () => recover(bank, browser, cleo, { javaScriptEnabled: false }));
  await t.test('a password is changed', async () => {
    const page = await browser.openPage();
    await logIn(page, bank, ben);
    const changed = { ...ben, password: `three words and ${randomInt(1e9)}` };
    await page.goto(`${bank.url}/security/password`);
    await page.fill('#old', ben.password);
    await page.fill('#new', changed.password);
    await page.fill('#code', unusedCode(ben));
    await press(page, '#continue');
    assert.equal(addressOf(page), '/security?notice=password', 'address after the change');
    assert.match(await bank.mail(ben.email), /your password at .* was changed/s);
  });
});

async function recover(bank, browser, customer, options) {
  const page = await browser.openPage(options);
  const thief = await browser.openPage();
  await logIn(thief, bank, customer);
  await page.goto(`${bank.url}/login`);
  await page.click('#to-recover');
  await page.fill('#email', customer.email);
  await press(page, '#continue');
  assert.equal(addressOf(page), '/recover/sent', 'address after a link was asked for');
  const [link] = /https:\S+\?token=\S+/.exec(await bank.mail(customer.email)) ?? [];
  assert.ok(link?.startsWith(`${bank.url}/`), `a link to the bank: ${link}`);
  await page.goto(link);
  const password = `three words and ${randomInt(1e9)}`;
  await page.fill('#password', password);
  await page.fill('#code', unusedCode(customer));
  await press(page, '#continue');
  assert.equal(addressOf(page), '/login?notice=password', 'address after the new password was chosen');
  assert.match(await bank.mail(customer.email), /was changed/);
  await thief.goto(`${bank.url}/accounts`);
  assert.equal(addressOf(thief), '/login', 'where a login of before leads');
  await enterPassword(page, bank, customer);
  await enterCode(page, '000000');
  assert.equal(addressOf(page), '/login?problem=1', 'where the old password leads');
}
