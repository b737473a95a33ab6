// Prevents a customer who can't be reached: no number that they can confirm, boxes that can't be ticked, or money that
// moves without a word to who asked for one; with JavaScript or without it.
import assert from 'node:assert/strict';
import test from 'node:test';
import { checkWithAxe } from './accessibility.mjs';
import { FILE_LIMIT, openBank } from './bank.mjs';
import {
  addressOf, balances, enterCode, enterPassword, logIn, ownPair, press, transfer, unusedCode,
} from './steps.mjs';

test('a customer is told of what they asked for', { timeout: FILE_LIMIT }, async (t) => {
  const bank = await openBank(t);
  const browser = await bank.openBrowser();
  const [ann, ben, cleo] = bank.customers;
  const small = { viewport: { width: 320, height: 640 }, isMobile: true };
  await t.test('without JavaScript', () => toldOf(bank, browser, ann, '+49 170 1234567', { javaScriptEnabled: false, ...small }));
  await t.test('with JavaScript', () => toldOf(bank, browser, ben, '0049 (0)171/76543-21', {}));
  await t.test('whoever asks for a code by message gets the same page', () => asked(bank, browser, cleo));
});

async function toldOf(bank, browser, customer, number, options) {
  const page = await browser.openPage(options);
  const check = () => (options.javaScriptEnabled === false ? undefined : checkWithAxe(page));
  await logIn(page, bank, customer);
  await page.goto(`${bank.url}/security/profile`);
  await page.click('#to-phone');
  assert.equal(addressOf(page), '/security/phone', 'address of the form for a number');
  await check();
  await page.fill('#number', number);
  await page.fill('#password', customer.password);
  await page.fill('#code', unusedCode(customer));
  await press(page, '#continue');
  assert.equal(addressOf(page), '/security/phone/confirm', 'address after a code was asked for');
  await check();
  assert.match(await bank.mail(customer.email), /asked for another telephone number/);
  const plain = number.replace('(0)', '').replace(/^00/, '+').replaceAll(/[^+\d]/g, '');
  const message = await bank.message(/to confirm this number/);
  assert.ok(!message.includes(plain.slice(0, -2)) && message.includes(`•${plain.slice(-2)}`), `masked: ${message}`);
  const [code] = /\b\d{6}\b/.exec(message);
  await page.fill('#code', code === '000000' ? '111111' : '000000');
  await press(page, '#continue', 422);
  await page.fill('#code', code);
  await press(page, '#continue');
  assert.equal(addressOf(page), '/security?notice=phone', 'address after the number was confirmed');
  assert.match(await bank.mail(customer.email), /your telephone number at .* was changed/s);

  await page.goto(`${bank.url}/security/sms`);
  await check();
  await page.goto(`${bank.url}/security`);
  await page.click('text=What we tell you of');
  assert.equal(addressOf(page), '/security/notifications', 'address of what they are told of');
  await check();
  await page.check('[name=money_out_sms]');
  await page.check('[name=money_out_email]');
  await press(page, '#continue');
  assert.equal(addressOf(page), '/security?notice=notifications', 'address after boxes were ticked');
  assert.match(await bank.mail(customer.email), /it was changed what/);
  await page.goto(`${bank.url}/security/notifications`);
  assert.equal(await page.locator('input:checked').count(), 2, 'boxes that are ticked');

  const pair = ownPair(await balances(page, bank));
  await transfer(page, bank, { ...pair, cents: 123, description: 'for the garden' });
  assert.match(await bank.message(/1\.23 went from your account ending \d{4}/), /TXN-\d{4}-\d{9}/);
  assert.match(await bank.mail(customer.email), /1\.23 went from your account ending/);
}

async function asked(bank, browser, customer) {
  const page = await browser.openPage();
  await enterPassword(page, bank, customer);
  await checkWithAxe(page);
  await press(page, '#send-sms');
  assert.equal(addressOf(page), '/login/verify?sent=1', 'address after a code was asked for');
  await checkWithAxe(page);
  assert.equal(await page.locator('p#notice[role=status]').count(), 1, 'what is said of it');
  await enterCode(page, unusedCode(customer));
  assert.equal(addressOf(page), '/accounts', 'where the code of the app leads all the same');
}
