// Prevents browser tests that prove nothing: tests that talk to a server left over from an earlier run, that
// trust any certificate, that touch the home of whoever runs them, or that hang until somebody ends the
// build.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { mkdir, readFile, readdir, unlink, writeFile } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { chromium } from 'playwright-core';

const START_LIMIT = 60_000;
const STOP_LIMIT = 10_000;
const CERTUTIL_LIMIT = 30_000;
export const PAGE_LIMIT = 15_000;
const MAIL_LIMIT = 15_000;
// One test file starts one bank and one browser; all its work has to fit into this.
export const FILE_LIMIT = 180_000;
export const CODE_SECONDS = 30;

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

// A run that is ended from outside must not leave a server or a directory behind.
const leftOver = new Set();
process.on('exit', () => {
  for (const remove of [...leftOver].reverse()) {
    try {
      remove();
    } catch (problem) {
      console.error(problem);
    }
  }
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.once(signal, () => process.exit(128 + constants.signals[signal]));
}
// A runner that was killed shows as a broken pipe only.
process.stdout.on('error', () => process.exit(1));

// Starts the bank of the binary in FLORIN and ends it, and each browser opened on it, after the test `t`.
export async function openBank(t) {
  const binary = process.env.FLORIN;
  assert.ok(binary, 'set FLORIN to the path of the florin binary');
  assert.ok(existsSync(binary), `FLORIN names ${binary}, which does not exist`);
  const closers = [];
  t.after(() => closeAll(closers));
  const directory = temporaryDirectory(closers);
  const data = join(directory, 'bank');
  const { demo, stop } = await startDemo(binary, data, closers);
  return {
    url: demo.browser_url,
    customers: demo.customers,
    staff: demo.staff,
    // The newest mail to somebody, taken away.
    mail: (email) => readMail(demo.mail, email),
    // The newest message to a telephone or a device that says something, taken away.
    message: (words) => readMessage(demo.messages, words),
    // Stops it, and opens the same bank again.
    restart: async () => {
      await stop();
      await startAgain(binary, data, demo.browser_url, closers);
    },
    openBrowser: ({ trusting = true } = {}) => openBrowser(trusting ? demo.ca_certificate : null, closers),
  };
}

// Waits until a mail to somebody is there, and takes it away so that the next one is not mistaken for it.
async function readMail(directory, email) {
  const deadline = Date.now() + MAIL_LIMIT;
  for (;;) {
    const files = (await readdir(directory)).filter((name) => name.endsWith('.eml')).sort().reverse();
    for (const file of files) {
      const mail = unfolded(await readFile(join(directory, file), 'utf8'));
      if (!mail.includes(`To: ${email}\r\n`)) continue;
      await unlink(join(directory, file));
      return mail;
    }
    assert.ok(Date.now() < deadline, `no mail to ${email} came within ${MAIL_LIMIT / 1000} s`);
    await pause(100);
  }
}

// Waits until a message is there that says something, and takes it away.
async function readMessage(directory, words) {
  const deadline = Date.now() + MAIL_LIMIT;
  for (;;) {
    const files = (await readdir(directory)).filter((name) => name.endsWith('.txt')).sort().reverse();
    for (const file of files) {
      const message = await readFile(join(directory, file), 'utf8');
      if (!words.test(message)) continue;
      await unlink(join(directory, file));
      return message;
    }
    assert.ok(Date.now() < deadline, `no message like ${words} came within ${MAIL_LIMIT / 1000} s`);
    await pause(100);
  }
}

// Long lines are folded on the way (quoted-printable, RFC 2045).
function unfolded(mail) {
  const bytes = mail.replaceAll('=\r\n', '').replaceAll(/=([0-9A-F]{2})/g, (_, code) => `%${code}`);
  return bytes.replaceAll(/(?:%[0-9A-F]{2})+/g, (escaped) => decodeURIComponent(escaped));
}

async function closeAll(closers) {
  const problems = [];
  for (const close of closers.reverse()) {
    await Promise.resolve().then(close).catch((problem) => problems.push(problem));
  }
  if (problems.length > 0) throw new AggregateError(problems, problems.map(String).join('; '));
}

function temporaryDirectory(closers) {
  const directory = mkdtempSync(join(tmpdir(), 'florin-browser-'));
  const remove = () => rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  leftOver.add(remove);
  closers.push(() => {
    remove();
    leftOver.delete(remove);
  });
  return directory;
}

async function startDemo(binary, directory, closers) {
  const words = ['demo', '--json', '--port', '0', '--data', directory];
  const { said: demo, stop } = await startServer(binary, words, directory, closers);
  assert.match(String(demo.browser_url), /^https:\/\/localhost:\d+$/, 'browser_url of the demo');
  assert.match(String(demo.ca_certificate), /^-----BEGIN CERTIFICATE-----/, 'ca_certificate of the demo');
  assert.ok(demo.customers?.length >= 3, 'the demo must have at least three customers');
  const roles = (demo.staff ?? []).flatMap((member) => member.roles).sort();
  assert.deepEqual(roles, ['admin', 'fraud', 'operations', 'support'], 'roles of the staff of the demo');
  return { demo, stop };
}

// Opens the bank of a demo that was stopped, at the same address, as the demo says that it is done.
function startAgain(binary, directory, url, closers) {
  const file = (name) => join(directory, name);
  return startServer(binary, [
    'bank', '--json', '--data', file('ledger'), '--key-file', file('ledger_key'),
    '--root-key-file', file('root_key'), '--tls-cert', file('tls.pem'), '--tls-key', file('tls_key.pem'),
    '--origin', url, '--listen', `127.0.0.1:${new URL(url).port}`,
  ], directory, closers);
}

// Starts the binary and reads the one JSON object that it prints; `stop` ends it in order, once.
async function startServer(binary, words, directory, closers) {
  const child = spawn(binary, words, {
    env: { ...process.env, HOME: directory },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let complaints = '';
  child.stderr.setEncoding('utf8').on('data', (text) => (complaints = (complaints + text).slice(-4000)));
  const kill = () => child.kill('SIGKILL');
  leftOver.add(kill);
  const ended = new Promise((resolve) => {
    child.once('error', (problem) => resolve(`could not be started: ${problem.message}`));
    child.once('close', (code, signal) => resolve(`ended with ${signal ?? `exit code ${code}`}`));
  }).finally(() => leftOver.delete(kill));
  const end = async () => {
    const asked = child.kill('SIGTERM');
    const how = await within(STOP_LIMIT, ended);
    if (how === undefined) {
      kill();
      await ended;
      throw new Error(`the bank was still running ${STOP_LIMIT / 1000} s after SIGTERM`);
    }
    assert.ok(asked, `the bank ${how} before the tests were over; it wrote: ${complaints}`);
    assert.equal(how, 'ended with exit code 0', `it wrote: ${complaints}`);
  };
  let stopped;
  const stop = () => (stopped ??= end());
  closers.push(stop);

  const lines = createInterface({ input: child.stdout });
  const line = await within(START_LIMIT, Promise.race([
    once(lines, 'line').then(([text]) => ({ text })),
    ended.then((how) => ({ how })),
  ]));
  const wrote = () => `; on standard error it wrote: ${complaints || 'nothing'}`;
  assert.ok(line, `the bank printed no line within ${START_LIMIT / 1000} s${wrote()}`);
  assert.ok(line.text !== undefined, `the bank ${line.how} before it printed a line${wrote()}`);
  try {
    return { said: JSON.parse(line.text), stop };
  } catch {
    return assert.fail(`the first line of the bank is not JSON: ${line.text.slice(0, 200)}${wrote()}`);
  }
}

// Resolves to undefined when the promise takes longer than the limit.
async function within(limit, promise) {
  let timer;
  const late = new Promise((resolve) => (timer = setTimeout(resolve, limit)));
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function openBrowser(authority, closers) {
  assert.ok(existsSync(CHROMIUM), `${CHROMIUM} is missing: install the Debian package chromium`);
  const home = temporaryDirectory(closers);
  await makeTrustStore(home, authority);
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    // Root may not use Chromium's sandbox, and the only pages opened are the bank's and the tests' own.
    chromiumSandbox: false,
    args: [
      // Nothing but this machine may be reached, so that no test depends on a network.
      '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1',
    ],
    // No XDG_ variable may lead Chromium to the store or the settings of the real home.
    env: { PATH: process.env.PATH, HOME: home, TMPDIR: tmpdir(), LANG: 'C.UTF-8' },
    timeout: START_LIMIT,
    handleSIGINT: false,
    handleSIGTERM: false,
    handleSIGHUP: false,
  });
  closers.push(() => browser.close());
  return {
    // A context is a visitor with cookies of their own.
    async openContext(options = {}) {
      const context = await browser.newContext({ locale: 'en-GB', timezoneId: 'UTC', ...options });
      context.setDefaultTimeout(PAGE_LIMIT);
      return context;
    },
    async openPage(options) {
      const context = await this.openContext(options);
      return context.newPage();
    },
  };
}

// Chromium on Linux trusts the authorities of this store besides its built-in ones.
async function makeTrustStore(home, authority) {
  const store = join(home, '.pki', 'nssdb');
  await mkdir(store, { recursive: true });
  await certutil(store, '-N', '--empty-password');
  if (authority === null) return;
  const file = join(home, 'authority.pem');
  await writeFile(file, authority);
  await certutil(store, '-A', '-n', 'florin demo', '-t', 'C,,', '-i', file);
}

async function certutil(store, ...commandLine) {
  try {
    const wholeLine = ['-d', `sql:${store}`, ...commandLine];
    await promisify(execFile)('certutil', wholeLine, { timeout: CERTUTIL_LIMIT });
  } catch (problem) {
    if (problem.code !== 'ENOENT') throw problem;
    assert.fail('certutil is missing: install the Debian package libnss3-tools');
  }
}

export const currentStep = () => Math.floor(Date.now() / 1000 / CODE_SECONDS);

// The code of RFC 6238 for one step of 30 seconds.
export function codeOf(secret, step) {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const digest = createHmac('sha1', fromBase32(secret)).update(counter).digest();
  const offset = digest.at(-1) & 0x0f;
  return String((digest.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, '0');
}

function fromBase32(text) {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  const bytes = [];
  let bits = 0;
  let value = 0;
  for (const letter of text.toUpperCase().replace(/=+$/, '')) {
    const digit = alphabet.indexOf(letter);
    assert.notEqual(digit, -1, `not base 32: ${letter}`);
    value = ((value << 5) | digit) & 0xfff;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes.push((value >> bits) & 0xff);
    }
  }
  return Buffer.from(bytes);
}
