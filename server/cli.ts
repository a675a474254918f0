/** The command line. */
import { Command, InvalidArgumentError, Option } from 'commander'
import packageJson from '../package.json' with { type: 'json' }
import { PROVIDERS } from '../diffusion/onnx/providers.ts'
import { subjectsHelp } from './commands/bench-subjects.ts'

/** Integer option within a range. */
const whole = (min: number, max: number) => (text: string) => {
  const value = Number(text)
  if (!Number.isInteger(value) || value < min || value > max)
    throw new InvalidArgumentError(`expected a whole number from ${min} to ${max}`)
  return value
}
function gigabytes(value: string): number {
  const number = Number(value.replace(/gb?$/i, ''))
  if (!(number > 0)) throw new InvalidArgumentError('expected gigabytes, more than 0')
  return number
}
const each = (value: string, list: readonly string[] = []): readonly string[] => [...list, value]

const device = (command: Command): Command =>
  command
    .addOption(
      new Option('--provider <name>', 'hardware to run on; auto takes the first that works and is faster than the CPU')
        .choices(['auto', ...PROVIDERS])
        .default('auto'),
    )
    .option('--device-id <number>', 'which of several GPUs (cuda, directml)', whole(0, 255))

function places(command: Command): Command {
  return command
    .option('--data <dir>', 'folder for input, output, user files and the database', './data')
    .option('--models <dir...>', 'further folders with models; checkpoints/, vae/ ... or diffusers folders below them')
    .option('--extra-model-paths-config <file...>', "ComfyUI's YAML files of further model folders")
    .option('--nodes <dir...>', 'folders with packs of nodes')
    .option(
      '--memory <gigabytes>',
      'what the weights of open models may take; others close and open again (70 % of the machine)',
      gigabytes,
    )
    .option('--input-directory <dir>', 'instead of DATA/input')
    .option('--output-directory <dir>', 'instead of DATA/output')
    .option('--temp-directory <dir>', 'instead of DATA/temp')
    .option('--disable-metadata', 'write no workflow into pictures')
}

const program = new Command('heddle')
  .description(packageJson.description)
  .version(packageJson.version)
  .showHelpAfterError('(see heddle --help)')
  .enablePositionalOptions()

device(places(program.command('serve')))
  .description('start the server and its editor')
  .addOption(new Option('--host <address>', 'address to listen on').default('127.0.0.1'))
  .addOption(new Option('--listen [address]', 'as ComfyUI calls --host; alone it means 0.0.0.0'))
  .option('--port <number>', 'port to listen on, 0 for any that is free', whole(0, 65535), 8188)
  .option('--token <text>', 'ask every client for this token; needed for any address but loopback')
  .option('--allowed-host <name>', 'a further host name this server may be called by', each)
  .option('--webhook-secret <text>', 'key that signs webhooks (DATA/webhook-secret)')
  .option('--webhook-allow-private', 'let webhooks call addresses of this machine and network')
  .option('--max-upload-size <megabytes>', 'largest upload', whole(1, 10_000), 100)
  .option('--max-queue <number>', 'prompts that may wait', whole(1, 1_000_000), 10_000)
  .option('--preview-size <pixels>', 'longest side of live previews; 0 sends none', whole(0, 4096), 512)
  .option('--grace <seconds>', 'time a cancelled prompt has to stop before its engine is ended', whole(0, 3600), 10)
  .option(
    '--front-end-root <dir>',
    'serve the built front end in this folder, such as the one of ComfyUI, as the editor',
  )
  .option('--dev', 'take changed files of node packs at once, in a new engine')
  .option('--cache-classic', 'keep the results of the current prompt (default)')
  .option('--cache-lru <number>', 'keep also this many older results', whole(0, 1_000_000))
  .option('--cache-ram <gigabytes>', 'keep all results while this much memory is free', Number)
  .option('--cache-none', 'keep no results: every prompt runs from scratch')
  .addOption(new Option('--disable-auto-launch', 'accepted for compatibility').hideHelp())
  .addOption(new Option('--quick-test-for-ci', 'accepted for compatibility').hideHelp())
  .addOption(new Option('--cpu', 'accepted for compatibility: this engine runs on the CPU').hideHelp())
  .action(async (options: unknown) => {
    const { takeDevice } = await import('./commands/devices.ts')
    await takeDevice(options as Parameters<typeof takeDevice>[0])
    const { serve } = await import('./commands/serve.ts')
    await serve(options as Parameters<typeof serve>[0])
  })

device(places(program.command('run')))
  .description('run one workflow without a server')
  .argument('<file>', 'a workflow of the editor, an API prompt, or a picture that carries one')
  .option('--set <node.input=value>', 'change an input, e.g. 3.seed=7 or 6.text="a red house"', each)
  .option('--out <dir>', 'folder for the results, instead of DATA/output')
  .option('--json', 'print one JSON document with the results')
  .action(async (file: string, options: unknown) => {
    const { takeDevice } = await import('./commands/devices.ts')
    await takeDevice(options as Parameters<typeof takeDevice>[0])
    const { run } = await import('./commands/run.ts')
    process.exitCode = await run(file, options as Parameters<typeof run>[1])
  })

device(program.command('check'))
  .description('compare with reference data')
  .argument('<dir...>', 'case folders, or folders of them')
  .option('--verbose', 'every compared tensor')
  .action(async (dirs: string[], options: { verbose?: boolean }) => {
    const { takeDevice } = await import('./commands/devices.ts')
    await takeDevice(options as Parameters<typeof takeDevice>[0])
    const { check } = await import('./commands/check.ts')
    process.exitCode = await check(dirs, options.verbose ?? false)
  })

places(program.command('models'))
  .description('list the models that are found')
  .action(async (options: unknown) => {
    const { listModels } = await import('./commands/models.ts')
    listModels(options as Parameters<typeof listModels>[0])
  })

program
  .command('devices')
  .description('try every execution provider and say which work')
  .action(async () => {
    const { listDevices } = await import('./commands/devices.ts')
    await listDevices()
  })

device(program.command('bench'))
  .description('measure fidelity and speed')
  .argument('<subject>', 'what to measure, of the list below')
  .argument('[arguments...]', 'passed on')
  .addHelpText('after', subjectsHelp)
  .passThroughOptions()
  .allowUnknownOption()
  .action(async (subject: string, args: string[], options: object) => {
    const { splitDevice, takeDevice } = await import('./commands/devices.ts')
    const split = splitDevice(args)
    const late = device(new Command('bench')).parse(split.device, { from: 'user' }).opts()
    await takeDevice(split.device.length > 0 ? late : options)
    const { bench } = await import('./commands/bench.ts')
    process.exitCode = await bench(subject, split.rest)
  })

try {
  await program.parseAsync()
} catch (error) {
  process.stderr.write(`heddle: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
