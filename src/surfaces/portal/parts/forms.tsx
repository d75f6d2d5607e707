import type { PortalContext } from '../context.ts'

type FormProps = {
  c: PortalContext
  action: string
  class?: string
  upload?: boolean
  children: unknown
}

/** A form that posts to the portal. It carries the token of its session, and an id by which a second submit is recognised. */
export function Form({ c, action, upload, children, ...more }: FormProps) {
  return (
    <form
      method="post"
      action={action}
      {...(more.class ? { class: more.class } : {})}
      {...(upload ? { enctype: 'multipart/form-data' } : {})}
    >
      <input type="hidden" name="csrf" value={c.get('csrf') ?? ''} />
      <input type="hidden" name="once" value={crypto.randomUUID()} />
      {children}
    </form>
  )
}

type ButtonFormProps = FormProps & {
  /** A question that is asked before the form is sent. */
  confirm?: string
  /** Read out after the button's text, so that the buttons of a table can be told apart. */
  about?: string
}

/** A form that is one button. `class` is the class of the button. */
export function ButtonForm({ c, action, confirm, about, children, ...more }: ButtonFormProps) {
  return (
    <Form c={c} action={action}>
      <button
        {...(more.class ? { class: more.class } : {})}
        type="submit"
        {...(confirm ? { 'data-confirm': confirm } : {})}
      >
        {children}
        {about ? (
          <>
            {' '}
            <span class="visually-hidden">{about}</span>
          </>
        ) : null}
      </button>
    </Form>
  )
}

/** The button that sends a form, below its fields. */
export function Submit({ children }: { children: unknown }) {
  return (
    <div class="actions">
      <button class="primary" type="submit">
        {children}
      </button>
    </div>
  )
}

/** Two buttons, one for yes and one for no. The keys `a` and `r` focus them. The children stand between the buttons. */
export function YesOrNo({
  name,
  yes,
  no,
  disabled = false,
  children,
}: {
  name: string
  yes: string
  no: string
  disabled?: boolean
  children?: unknown
}) {
  return (
    <div class="actions">
      <button class="primary" type="submit" name={name} value="approve" data-key="a" disabled={disabled}>
        {yes}
      </button>
      {children}
      <button class="danger" type="submit" name={name} value="reject" data-key="r">
        {no}
      </button>
    </div>
  )
}
