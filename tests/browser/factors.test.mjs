// Prevents a customer who loses a phone or a mailbox and with it their account: codes that can't be read from paper, a
// picture that no app finds, a link that opens nothing, with JavaScript or without it; and a change that nobody is
// warned of.
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import test from 'node:test';
import { checkWithAxe } from './accessibility.mjs';
import { FILE_LIMIT, openBank } from './bank.mjs';
import { addressOf, enterPassword, logIn, press, unusedCode } from './steps.mjs';

test('a customer keeps their login', { timeout: FILE_LIMIT }, async (t) => {
  const bank = await openBank(t);
  const browser = await bank.openBrowser();
  const [ann, ben, cleo] = bank.customers;
  const phone = { viewport: { width: 320, height: 640 }, isMobile: true };
  await t.test('codes on paper let in once', () => paper(bank, browser, ann, { javaScriptEnabled: false }));
  await t.test('another app takes the place of the old one', () => app(bank, browser, ben, phone));
  await t.test('another address is confirmed from its mailbox', () => address(bank, browser, cleo, {}));
});

// What a page of security asks for: the password and a code.
async function proveAgain(page, { password }, code) {
  await page.fill('#password', password);
  await page.fill('#code', code);
}

async function open(page, link, path) {
  await page.click('nav >> text=Security');
  await page.click(`text=${link}`);
  assert.equal(addressOf(page), path, `where "${link}" leads`);
}

async function paper(bank, browser, customer, options) {
  const page = await browser.openPage(options);
  await logIn(page, bank, customer);
  await open(page, 'Recovery codes', '/security/codes');
  await proveAgain(page, { password: 'not the password' }, '000000');
  await press(page, '#continue', 422);
  assert.equal(await page.locator('p#problem[role=alert]').count(), 1, 'messages after a wrong password');
  await proveAgain(page, customer, unusedCode(customer));
  await press(page, '#continue');
  const codes = await page.locator('#codes code').allInnerTexts();
  assert.equal(new Set(codes).size, 10, `ten codes, all different: ${codes}`);
  for (const code of codes) assert.match(code, /^[a-z2-7]{4}(-[a-z2-7]{4}){3}$/, 'a code on paper');
  assert.match(await bank.mail(customer.email), /new recovery codes/);
  await page.click('#continue');
  assert.equal(addressOf(page), '/security', 'where it goes on');

  for (const [typed, leadsTo] of [[codes[4].toUpperCase(), '/accounts'], [codes[4], '/login?problem=1']]) {
    const other = await browser.openPage(options);
    await enterPassword(other, bank, customer);
    await other.click('#without-app');
    await other.fill('#recovery-code', typed);
    await press(other, '#sign-in-recovery');
    assert.equal(addressOf(other), leadsTo, `where ${typed} leads`);
  }
  assert.match(await bank.mail(customer.email), /9 left/);
  await page.goto(`${bank.url}/security/codes`);
  assert.equal(await page.locator('#left').innerText(), '9', 'codes that are left');
}

async function app(bank, browser, customer, options) {
  const page = await browser.openPage(options);
  await logIn(page, bank, customer);
  await open(page, 'Another authenticator app', '/security/factor');
  await proveAgain(page, customer, unusedCode(customer));
  await press(page, '#continue');
  assert.equal(addressOf(page), '/security/factor/new', 'address of the new app');
  const picture = await page.locator('svg#qr').boundingBox();
  assert.ok(picture?.width >= 150, `the picture for the app is ${picture?.width} wide`);
  const secret = (await page.locator('#secret').innerText()).replaceAll(/\s/g, '');
  assert.match(secret, /^[A-Z2-7]{32}$/, 'the secret for the app');
  await page.fill('#code', '000000');
  await press(page, '#continue', 422);
  const changed = { ...customer, totp_secret: secret };
  await page.fill('#code', unusedCode(changed));
  await press(page, '#continue');
  assert.equal(addressOf(page), '/security?notice=factor', 'address after the new app was set up');
  assert.match(await bank.mail(customer.email), /another authenticator app/);

  // For a day nobody new can be paid.
  await page.goto(`${bank.url}/payees`);
  await page.fill('#name', 'Otto Sommer');
  await page.fill('#number', 'DE89 3704 0044 0532 0130 00');
  await press(page, '#add', 422);
  assert.match(await page.locator('#problem').innerText(), /possible again from \d+ \w+ \d{4} at \d\d:\d\d UTC/);

  const other = await browser.openPage();
  await logIn(other, bank, changed);
}

async function address(bank, browser, customer, options) {
  const page = await browser.openPage(options);
  await logIn(page, bank, customer);
  await open(page, 'Your profile', '/security/profile');
  assert.equal(await page.locator('#profile-email').innerText(), customer.email, 'address on the profile');
  await checkWithAxe(page);
  await page.click('#to-email');
  const email = `cleo${randomInt(1e9)}@example.org`;
  await page.fill('#email', email);
  await proveAgain(page, customer, unusedCode(customer));
  await press(page, '#continue');
  assert.equal(addressOf(page), '/security/email/sent', 'address after a link was asked for');
  await checkWithAxe(page);
  assert.match(await bank.mail(customer.email), /asked for another e-mail address/);
  const [link] = /https:\S+\?token=\S+/.exec(await bank.mail(email)) ?? [];
  assert.ok(link?.startsWith(`${bank.url}/`), `a link to the bank: ${link}`);

  // In the browser of another machine, where nobody is logged in; a mailbox looks at the link first.
  const other = await browser.openPage();
  await other.goto(link);
  await other.goto(link);
  await checkWithAxe(other);
  await press(other, '#continue');
  assert.equal(addressOf(other), '/login?notice=email', 'address after the link was used');
  assert.equal(await other.locator('p#notice[role=status]').count(), 1, 'messages after the link was used');
  assert.match(await bank.mail(customer.email), /has another e-mail\s+address/);
  await page.goto(`${bank.url}/accounts`);
  assert.equal(addressOf(page), '/login', 'where a login of before leads');
  await other.goto(link);
  await press(other, '#continue', 410);
}
