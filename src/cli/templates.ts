import { Option } from '@commander-js/extra-typings'
import { connect } from './client.ts'
import { misuse } from './failure.ts'
import { given, jsonArray, jsonObject, number } from './json.ts'
import { show } from './output.ts'
import { example, part, type Root } from './root.ts'

const TEMPLATES = '/v1/templates'

export function templates(root: Root) {
  const templates = root.command('templates').description('Templates, in versions that never change')

  templates
    .command('list')
    .description('List templates, newest first')
    .option('--limit <number>', 'at most this many, up to 100', number)
    .option('--cursor <cursor>', 'go on where the list before ended')
    .addHelpText('after', example('molted templates list'))
    .action(async ({ limit, cursor }, command) => {
      const { get } = await connect(command)
      const columns = ['id', 'slug', 'name', 'type', 'publishedVersion', 'updatedAt']
      show(command, await get(TEMPLATES, { limit, cursor }), columns)
    })

  templates
    .command('show')
    .description('Show a template with its versions')
    .argument('<TEMPLATE>', 'id or slug')
    .addHelpText('after', example('molted templates show onboarding-welcome'))
    .action(async (template, _, command) => {
      const { get } = await connect(command)
      show(command, await get(`${TEMPLATES}/${part(template)}`))
    })

  templates
    .command('create')
    .description('Create a template; with --subject its first version too')
    .argument('<SLUG>')
    .option('--name <name>', 'name (default: the slug)')
    .addOption(
      new Option('--type <type>', 'what it is for')
        .choices(['marketing', 'transactional'] as const)
        .default('marketing' as const),
    )
    .option('--approval-required', 'a person approves each version')
    .option('--subject <text>', 'subject, such as "Welcome, {{firstName}}"')
    .option('--text <text>', 'plain text')
    .option('--html <html>', 'HTML')
    .option('--variables <json>', 'list such as [{"name": "firstName"}]', jsonArray)
    .option('--publish', 'publish the version')
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

  templates
    .command('add-version')
    .description('Add a version as a draft')
    .argument('<TEMPLATE>', 'id or slug')
    .requiredOption('--subject <text>', 'subject')
    .option('--text <text>', 'plain text')
    .option('--html <html>', 'HTML')
    .option('--variables <json>', 'list such as [{"name": "firstName"}]', jsonArray)
    .addHelpText('after', example('molted templates add-version welcome --subject Hello --text "Hello."'))
    .action(async (template, { subject, text, html, variables }, command) => {
      const { post } = await connect(command)
      const body = given({ subjectTemplate: subject, textTemplate: text, htmlTemplate: html, variables })
      show(command, await post(`${TEMPLATES}/${part(template)}/versions`, body))
    })

  templates
    .command('publish')
    .description('Publish a version in place of the one before')
    .argument('<TEMPLATE>', 'id or slug')
    .argument('<VERSION>', 'number of the version', number)
    .addHelpText('after', example('molted templates publish welcome 2'))
    .action(async (template, version, _, command) => {
      const { post } = await connect(command)
      show(command, await post(`${TEMPLATES}/${part(template)}/versions/${version}/publish`))
    })

  for (const [verb, decision, description] of [
    ['approve', 'approved', 'Publish a version that waits for approval; needs a key with "approve"'],
    ['reject', 'rejected', 'Refuse a version that waits for approval; needs a key with "approve"'],
  ] as const) {
    templates
      .command(verb)
      .description(description)
      .argument('<VERSION_ID>', 'id of the version, TEMPLATE_ID:VERSION')
      .addHelpText('after', example(`molted templates ${verb} tpl_abc123:2`))
      .action(async (id, _, command) => {
        const { patch } = await connect(command)
        show(command, await patch(`${TEMPLATES}/approvals/${part(id)}`, { decision }))
      })
  }

  templates
    .command('render')
    .description('Render a template, and send nothing')
    .argument('<TEMPLATE>', 'id or slug')
    .option('--payload <json>', 'variables', jsonObject)
    .option('--version-number <number>', 'version (default: the published one)', number)
    .addHelpText('after', example(`molted templates render welcome --payload '{"firstName": "Alice"}'`))
    .action(async (template, { payload, versionNumber }, command) => {
      const { post } = await connect(command)
      const body = given({ payload, version: versionNumber })
      show(command, await post(`${TEMPLATES}/${part(template)}/render`, body, { mayRepeat: true }))
    })

  templates
    .command('lint')
    .description('Tell what would keep a version from being published')
    .argument('<TEMPLATE>', 'id or slug')
    .option('--version-number <number>', 'version (default: the newest)', number)
    .addHelpText('after', example('molted templates lint welcome'))
    .action(async (template, { versionNumber }, command) => {
      const { post } = await connect(command)
      const body = given({ version: versionNumber })
      show(command, await post(`${TEMPLATES}/${part(template)}/lint`, body, { mayRepeat: true }))
    })

  templates
    .command('delete')
    .description('Delete a template; new sends of it are blocked')
    .argument('<TEMPLATE>', 'id or slug')
    .addHelpText('after', example('molted templates delete welcome'))
    .action(async (template, _, command) => {
      const api = await connect(command)
      show(command, await api.delete(`${TEMPLATES}/${part(template)}`))
    })
}
