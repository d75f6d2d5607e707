import { type Command, Option } from '@commander-js/extra-typings'
import { connect } from './client.ts'
import { misuse } from './failure.ts'
import { given, jsonArray, jsonObject, number } from './json.ts'
import { show } from './output.ts'
import { example, type Globals, type Group, listing, part, type Root } from './root.ts'

const TEMPLATES = '/v1/templates'

export function templates(root: Root) {
  const templates = root
    .command('templates')
    .description('Write templates. A version never changes; a change is a new version.')
  list(templates)
  showOne(templates)
  create(templates)
  addVersion(templates)
  publish(templates)
  decide(templates, 'approve', 'approved', 'Approve and publish a version that waits for approval')
  decide(templates, 'reject', 'rejected', 'Reject a version that waits for approval')
  render(templates)
  lint(templates)
  remove(templates)
}

function list(templates: Group) {
  listing(templates, 'list')
    .description('List templates, newest first')
    .addHelpText('after', example('molted templates list'))
    .action(async ({ limit, cursor }, command) => {
      const { get } = await connect(command)
      const columns = ['id', 'slug', 'name', 'type', 'publishedVersion', 'updatedAt']
      show(command, await get(TEMPLATES, { limit, cursor }), columns)
    })
}

function showOne(templates: Group) {
  of(templates.command('show'))
    .description('Show a template with its versions')
    .addHelpText('after', example('molted templates show onboarding-welcome'))
    .action(async (template, _, command) => {
      const { get } = await connect(command)
      show(command, await get(`${TEMPLATES}/${part(template)}`))
    })
}

function create(templates: Group) {
  withContent(
    templates.command('create').argument('<SLUG>', 'name of the template in requests, such as welcome'),
  )
    .description('Create a template. With --subject, also create its first version.')
    .option('--subject <text>', 'subject of the first version, such as "Welcome, {{firstName}}"')
    .option('--name <name>', 'name for people (default: the slug)')
    .addOption(
      new Option('--type <type>', 'what the template is for')
        .choices(['marketing', 'transactional'] as const)
        .default('marketing' as const),
    )
    .option('--approval-required', 'a person must approve each version')
    .option('--publish', 'publish the first version')
    .addHelpText(
      'after',
      example(
        'molted templates create welcome --type transactional \\\n  --subject "Welcome, {{firstName}}" --text "Hello {{firstName}}." --publish',
      ),
    )
    .action(async (slug, options, command) => {
      const { name, type, approvalRequired, subject, publish, ...parts } = options
      if (subject === undefined && (publish || Object.keys(parts).length > 0)) {
        throw misuse('--text, --html, --variables and --publish need --subject')
      }
      const content = subject === undefined ? undefined : given({ subject, ...parts })
      const { post } = await connect(command)
      const body = given({ slug, name: name ?? slug, type, approvalRequired, content, autoPublish: publish })
      show(command, await post(TEMPLATES, body))
    })
}

function addVersion(templates: Group) {
  withContent(of(templates.command('add-version')))
    .description('Add a version to a template. It is a draft until it is published.')
    .requiredOption('--subject <text>', 'subject, such as "Welcome, {{firstName}}"')
    .addHelpText('after', example('molted templates add-version welcome --subject Hello --text "Hello."'))
    .action(async (template, { subject, text, html, variables }, command) => {
      const { post } = await connect(command)
      const body = given({ subjectTemplate: subject, textTemplate: text, htmlTemplate: html, variables })
      show(command, await post(`${TEMPLATES}/${part(template)}/versions`, body))
    })
}

function publish(templates: Group) {
  of(templates.command('publish'))
    .description('Publish a version: new sends use it instead of the one published before')
    .argument('<VERSION>', 'number of the version', number)
    .addHelpText('after', example('molted templates publish welcome 2'))
    .action(async (template, version, _, command) => {
      const { post } = await connect(command)
      show(command, await post(`${TEMPLATES}/${part(template)}/versions/${version}/publish`))
    })
}

function decide(
  templates: Group,
  name: 'approve' | 'reject',
  decision: 'approved' | 'rejected',
  description: string,
) {
  templates
    .command(name)
    .description(`${description}. The key needs the permission "approve".`)
    .argument('<VERSION_ID>', 'id of the version: TEMPLATE_ID:VERSION')
    .addHelpText('after', example(`molted templates ${name} tpl_abc123:2`))
    .action(async (id, _, command) => {
      const { patch } = await connect(command)
      show(command, await patch(`${TEMPLATES}/approvals/${part(id)}`, { decision }))
    })
}

function render(templates: Group) {
  of(templates.command('render'))
    .description('Show the message that a template makes. Sends nothing.')
    .option('--payload <json>', 'values of the variables, as a JSON object', jsonObject)
    .option('--version-number <number>', 'version to render (default: the published one)', number)
    .addHelpText('after', example(`molted templates render welcome --payload '{"firstName": "Alice"}'`))
    .action(async (template, { payload, versionNumber }, command) => {
      const { post } = await connect(command)
      const body = given({ payload, version: versionNumber })
      show(command, await post(`${TEMPLATES}/${part(template)}/render`, body, { mayRepeat: true }))
    })
}

function lint(templates: Group) {
  of(templates.command('lint'))
    .description('Check a version: errors prevent publishing, warnings do not')
    .option('--version-number <number>', 'version to check (default: the newest)', number)
    .addHelpText('after', example('molted templates lint welcome'))
    .action(async (template, { versionNumber }, command) => {
      const { post } = await connect(command)
      const body = given({ version: versionNumber })
      show(command, await post(`${TEMPLATES}/${part(template)}/lint`, body, { mayRepeat: true }))
    })
}

function remove(templates: Group) {
  of(templates.command('delete'))
    .description('Delete a template. New sends with it are blocked.')
    .addHelpText('after', example('molted templates delete welcome'))
    .action(async (template, _, command) => {
      const api = await connect(command)
      show(command, await api.delete(`${TEMPLATES}/${part(template)}`))
    })
}

/** A command about one template. */
function of(command: Group) {
  return command.argument('<TEMPLATE>', 'id or slug of the template')
}

/** The options for the content of a version, but for its subject. */
function withContent(command: Command<[string], Record<never, never>, Globals>) {
  return command
    .option('--text <text>', 'plain text')
    .option('--html <html>', 'HTML')
    .option('--variables <json>', 'variables, as a JSON list such as [{"name": "firstName"}]', jsonArray)
}
