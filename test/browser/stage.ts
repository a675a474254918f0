/** A real server and a real Chromium for one test file, and everything the page complained about. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import chromium from '@sparticuz/chromium'
import { chromium as driver, type Browser, type Page } from 'playwright-core'
import { lacking } from '../skip.ts'

const root = join(import.meta.dirname, '../..')
const shots = join(import.meta.dirname, '.shots')

/** Usual places of a Chrome, for systems that the packaged Chromium is not made for. */
const PLACES = [
  process.env['CHROME_PATH'],
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
  '/usr/bin/google-chrome',
  '/usr/bin/chromium',
]

/** Path of a browser, or null when this machine has none. */
export async function findBrowser(): Promise<string | null> {
  const given = process.env['CHROME_PATH']
  if (given === undefined && process.platform === 'linux' && process.arch === 'x64') return chromium.executablePath()
  const found = PLACES.find((path) => path !== undefined && existsSync(path)) ?? null
  lacking(found !== null, 'the editor in a browser', 'Set CHROME_PATH to a Chrome or Chromium.')
  return found
}

export interface Stage {
  readonly url: string
  readonly page: Page
  /** Errors of the console, uncaught exceptions and reports of the content security policy. */
  readonly complaints: string[]
  shot(name: string): Promise<void>
  /** Ends the server, lets `meanwhile` happen, and starts it again on the same port and data. */
  restart(meanwhile: () => Promise<void>): Promise<void>
  close(): Promise<void>
}

/** Starts the server, by default on a free port, and waits for the address that it prints. */
async function startServer(data: string, port = 0): Promise<{ url: string; child: ChildProcess }> {
  const child = spawn(process.execPath, ['bin/heddle.mjs', 'serve', '--port', String(port), '--data', data], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  const url = await new Promise<string>((resolve, reject) => {
    const hear = (chunk: Buffer): void => {
      said += chunk.toString()
      const address = /http:\/\/127\.0\.0\.1:\d+/.exec(said)
      if (address) resolve(address[0])
    }
    child.stdout.on('data', hear)
    child.stderr.on('data', hear)
    child.on('exit', (code) => reject(new Error(`the server ended with ${code}:\n${said}`)))
  })
  return { url, child }
}

async function stopServer(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  await gone
}

async function openPage(browser: Browser, complaints: string[]): Promise<Page> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } })
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(`${message.text()} ${message.location().url}`)
  })
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('dialog', (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  await page.addInitScript(() =>
    document.addEventListener('securitypolicyviolation', (event) =>
      console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`),
    ),
  )
  return page
}

/** Builds the client unless what is there is newer than all its sources (then test files that start together do not build over each other). */
function buildClient(): void {
  const built = statSync(join(root, 'client/dist/index.html'), { throwIfNoEntry: false })
  const sources = ['client', 'formats'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((path) => join(folder, path)),
  )
  const newest = Math.max(
    ...sources.filter((path) => !path.startsWith('client/dist')).map((path) => statSync(join(root, path)).mtimeMs),
  )
  if (built && newest < built.mtimeMs) return
  const vite = ['node_modules/vite/bin/vite.js', 'build', 'client', '--logLevel', 'error']
  execFileSync(process.execPath, vite, { cwd: root })
}

/** Builds the client, starts server and browser, and opens the page. */
export async function openStage(executable: string): Promise<Stage> {
  buildClient()
  await mkdir(shots, { recursive: true })
  const data = await mkdtemp(join(tmpdir(), 'heddle-browser-'))
  const first = await startServer(data)
  const { url } = first
  let { child } = first
  const browser = await driver.launch({
    executablePath: executable,
    args: ['--no-sandbox', '--disable-gpu'],
    headless: true,
  })
  const complaints: string[] = []
  const page = await openPage(browser, complaints)
  await page.goto(url)
  return {
    url,
    page,
    complaints,
    async shot(name) {
      await page.screenshot({ path: join(shots, `${name}.png`) })
    },
    async restart(meanwhile) {
      await stopServer(child)
      await meanwhile()
      ;({ child } = await startServer(data, Number(new URL(url).port)))
    },
    async close() {
      await browser.close()
      await stopServer(child)
      await rm(data, { recursive: true, force: true })
    },
  }
}
