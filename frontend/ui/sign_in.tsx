/** A session that has ended asks for the password here: the page, the picture and what waits on this computer stay. */
import { t } from "../locale/locale";
import { Component } from "preact";
import { signInPage } from "../sync/addresses";
import { signIn, type SignedIn } from "../sync/api";
import type { Ui } from "./parts";

/** Why somebody is not signed in; each cause has its own sentence. */
function trouble(answer: Exclude<SignedIn, { kind: "in" }>): string {
  switch (answer.kind) {
    case "wrong":
      return t("Not signed in: name and password do not belong together.");
    case "wait":
      return answer.sentence;
    case "unreachable":
      return t("Not signed in: the server does not answer. Try again in a moment.");
  }
}

export class SignIn extends Component<{ ui: Ui }, { busy: boolean; trouble: string }> {
  override state = { busy: false, trouble: "" };

  private async send(form: HTMLFormElement): Promise<void> {
    const { ui } = this.props;
    const { editor } = ui;
    this.setState({ busy: true, trouble: "" });
    const answer = await signIn(new FormData(form));
    if (answer.kind !== "in") {
      this.setState({ busy: false, trouble: trouble(answer) });
      return;
    }
    try {
      const opened = await editor.store.api.workspace(editor.store.opened.image.id);
      if (opened.person.id !== editor.store.opened.person.id) {
        // What waits here is somebody's own work; it is not sent under another name.
        location.reload();
        return;
      }
      this.setState({ busy: false });
      void editor.store.outbox.flush();
      void editor.liveUpdates.poll();
    } catch {
      this.setState({ busy: false, trouble: trouble({ kind: "unreachable" }) });
    }
  }

  override render() {
    const { editor } = this.props.ui;
    if (editor.store.save.kind !== "signed_out") return null;
    return (
      <form
        class="bw-signin"
        aria-label={t("Sign in again")}
        onSubmit={(e) => {
          e.preventDefault();
          void this.send(e.currentTarget);
        }}
      >
        <strong>{t("Your session has ended")}</strong>
        <p class="bw-muted bw-note">
          {t("Nothing is lost. Sign in as {name} to go on here.", { name: editor.store.opened.person.name })}
        </p>
        <label>
          {t("Name")} <input name="username" autocomplete="username" required />
        </label>
        <label>
          {t("Password")} <input name="password" type="password" autocomplete="current-password" required />
        </label>
        {this.state.trouble && (
          <p class="bw-warn bw-note" role="alert">
            {this.state.trouble}
          </p>
        )}
        <p class="bw-note">
          <a href={signInPage()} target="_blank" rel="noopener">
            {t("Sign in another way, in a new tab; then come back")}
          </a>
        </p>
        <button type="submit" class="button is-primary" disabled={this.state.busy}>
          {t("Sign in")}
        </button>
      </form>
    );
  }
}
