"""The HTTP API: its routes, and the one shape of its errors (problem+json, RFC 9457)."""

from typing import Any
from urllib.parse import quote

from django.core.exceptions import BadRequest, PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpRequest, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.urls import Resolver404, path, re_path, resolve
from django.views.decorators.csrf import csrf_exempt
from rest_framework.response import Response
from rest_framework.views import exception_handler as drf_exception_handler

from labeling.errors import LabelingError, server_fault
from labeling.problems import TOO_LARGE, plain_problem, problem


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:  # untyped: as in DRF
    """DRF's hook: every error leaves as problem+json; what is not expected is left to crash loudly."""
    if isinstance(error, LabelingError):
        detail = error.api_detail or str(error)
        answer = problem(status=error.status, code=error.code, detail=detail, field=error.field, lines=error.lines)
        answer.data |= error.facts
        return answer
    if isinstance(error, RecursionError):  # nothing of ours goes that deep: the body does
        return problem(status=400, code="parse_error", detail="What was sent is nested too deeply.")
    if isinstance(error, Http404):
        return problem(status=404, code="not_found", detail="There is no such thing, or it is not shown to you.")
    if isinstance(error, PermissionDenied):
        detail = str(error) or "your role in this project does not allow this"
        return problem(status=403, code="not_allowed", detail=detail)
    fault = server_fault(error)
    if fault is not None:
        return problem(status=fault.status, code=fault.code, detail=str(fault.detail))
    if isinstance(error, RequestDataTooBig):
        return problem(status=413, code="too_large", detail=TOO_LARGE)
    if isinstance(error, SuspiciousOperation | BadRequest | MultiPartParserError):
        # Too many fields or files, a host name that is not ours, a form that is cut off or of another charset.
        return problem(status=400, code="bad_request", detail="The request is malformed.")
    response = drf_exception_handler(error, context)
    if response is None:
        return None
    answer = _problem_of(error, response.status_code)
    for name, value in response.headers.items():
        if name != "Content-Type":
            answer[name] = value
    return answer


def _problem_of(error: Exception, status: int) -> Response:
    """One of REST framework's own errors: nobody signed in, another method, no JSON, too many requests."""
    detail = getattr(error, "detail", error)
    code = getattr(detail, "code", None) or getattr(error, "default_code", "error")
    return problem(status=status, code=str(code), detail=str(detail))


@csrf_exempt  # nothing is done here
def unknown(request: HttpRequest) -> JsonResponse:
    """Any address below /api/ that is none of ours: 404, or 308 where only the slash at the end is missing.

    308 and not the 301 of Django's APPEND_SLASH: clients repeat a POST after a 308 as a POST, with its body. After a
    301 they send a GET, which succeeds and stores nothing.
    """
    address = request.path + "/"
    try:
        found = resolve(request.path_info + "/").url_name if not request.path_info.endswith("/") else None
    except Resolver404:
        found = None
    if found in (None, unknown.__name__):
        detail = "There is no such address in the API. Every address of the API begins with /api/v1/ and ends with /."
        return plain_problem(status=404, code="no_such_address", detail=detail)
    answer = plain_problem(
        status=308, code="missing_slash", detail=f"Nothing was done: this address ends with a slash, {address}"
    )
    query = request.META.get("QUERY_STRING", "")
    answer["Location"] = quote(address) + (f"?{query}" if query else "")
    return answer


def routes() -> list[Any]:
    """Every route of /api/v1/, named like its view. tests/labeling/test_access.py has a row for each."""
    from labeling import interactive, schema
    from labeling.accounts import api as accounts
    from labeling.annotations import api as annotations
    from labeling.annotations import history_api, time_api
    from labeling.assignments import admission_api as admissions
    from labeling.assignments import api as assignments
    from labeling.dashboard import api as dashboard
    from labeling.exchange import api as exchange
    from labeling.exchange import image_api as drawn
    from labeling.exchange.importing import api as importing
    from labeling.gallery import api as gallery
    from labeling.guidelines import api as guidelines
    from labeling.images import api as images
    from labeling.images import patients_api as patients
    from labeling.images import slide_api as slides
    from labeling.images.resumable import api as resumable
    from labeling.jobs import api as jobs
    from labeling.label_classes import api as label_classes
    from labeling.notifications import api as notifications
    from labeling.projects import api as projects
    from labeling.projects import invitations_api as invitations
    from labeling.qualification import api as qualification
    from labeling.quality_control import api as quality_control
    from labeling.reviews import api as reviews
    from labeling.reviews.agreement import api as agreement
    from labeling.reviews.certificates import api as certificates
    from labeling.reviews.consensus import api as consensus
    from labeling.rounds.http import api as rounds
    from labeling.rounds.http import settings_api as round_settings
    from labeling.rounds.proposing import api as proposing
    from labeling.studies import api as studies
    from labeling.upkeep import api as upkeep
    from labeling.workspace import api as workspace
    from labeling.workspace import outlines, overlay, search

    return [
        # First what is asked for most: an address is compared with one route after the other.
        path("layers/<uuid:layer>/feed/", annotations.Feed.as_view(), name="layer-feed"),
        path("layers/<uuid:layer>/presence/", annotations.Presence.as_view(), name="layer-presence"),
        path("layers/<uuid:layer>/pack/", annotations.Pack.as_view(), name="layer-pack"),
        path("layers/<uuid:layer>/operations/", annotations.Operations.as_view(), name="layer-operations"),
        path("layers/<uuid:layer>/heads/", annotations.Heads.as_view(), name="layer-heads"),
        path("activity/", annotations.Activity.as_view(), name="activity"),
        path("images/<int:image>/history/", history_api.History.as_view(), name="image-history"),
        path("schema/", schema.SchemaView.as_view(), name="schema"),
        path("me/", accounts.Me.as_view(), name="me"),
        path("me/theme/", accounts.MyTheme.as_view(), name="my-theme"),
        path("search/", search.Search.as_view(), name="search-names"),
        path("me/notifications/", notifications.Notifications.as_view(), name="notification-list"),
        path("me/notifications/seen/", notifications.NotificationsSeen.as_view(), name="notification-seen"),
        path(
            "me/notification-choices/",
            notifications.NotificationChoices.as_view(),
            name="notification-choices",
        ),
        path("projects/", projects.ProjectList.as_view(), name="project-list"),
        path("projects/<int:project>/", projects.ProjectDetail.as_view(), name="project-detail"),
        path("projects/<int:project>/classes/", projects.ClassList.as_view(), name="class-list"),
        path("classes/<int:label_class>/", projects.ClassDetail.as_view(), name="class-detail"),
        path("classes/<int:label_class>/uses/", label_classes.ClassUses.as_view(), name="class-uses"),
        path("classes/<int:label_class>/merge/", label_classes.MergeIntoClass.as_view(), name="class-merge"),
        path(
            "projects/<int:project>/class-merges/",
            label_classes.ClassMergeList.as_view(),
            name="class-merge-list",
        ),
        path("projects/<int:project>/curriculum/", qualification.CurriculumOf.as_view(), name="curriculum"),
        path("projects/<int:project>/control-plan/", quality_control.ControlPlanOf.as_view(), name="control-plan"),
        path("projects/<int:project>/attempts/", qualification.AttemptList.as_view(), name="attempt-list"),
        path("attempt-fields/<int:field>/open/", qualification.OpenField.as_view(), name="attempt-field-open"),
        path(
            "attempt-fields/<int:field>/finish/",
            qualification.FinishField.as_view(),
            name="attempt-field-finish",
        ),
        path(
            "attempt-fields/<int:field>/feedback/", qualification.FieldFeedback.as_view(), name="attempt-field-feedback"
        ),
        path("projects/<int:project>/admissions/", admissions.AdmissionList.as_view(), name="admission-list"),
        path(
            "admissions/<int:admission>/withdraw/",
            admissions.WithdrawAdmission.as_view(),
            name="admission-withdraw",
        ),
        path(
            "class-merges/<uuid:merge>/take-back/",
            label_classes.TakeBackMerge.as_view(),
            name="merge-take-back",
        ),
        path(
            "projects/<int:project>/attributes/",
            round_settings.Attributes.as_view(),
            name="project-attributes",
        ),
        path("projects/<int:project>/dashboard/", dashboard.Dashboard.as_view(), name="dashboard"),
        path("projects/<int:project>/dashboard/table/", dashboard.Table.as_view(), name="dashboard-table"),
        path(
            "projects/<int:project>/guideline/",
            guidelines.CurrentGuideline.as_view(),
            name="guideline-current",
        ),
        path(
            "projects/<int:project>/guideline/read/",
            guidelines.GuidelineRead.as_view(),
            name="guideline-read",
        ),
        path(
            "projects/<int:project>/guideline/versions/", guidelines.GuidelineVersions.as_view(), name="guideline-list"
        ),
        path(
            "projects/<int:project>/guideline/pictures/",
            guidelines.GuidelinePictures.as_view(),
            name="guideline-picture-list",
        ),
        path(
            "projects/<int:project>/guideline/pictures/<str:picture>/",
            guidelines.OnePicture.as_view(),
            name="guideline-picture",
        ),
        path("projects/<int:project>/members/", projects.MemberList.as_view(), name="member-list"),
        path("members/<int:membership>/", projects.MemberDetail.as_view(), name="member-detail"),
        path("members/<int:membership>/invite/", projects.MemberInvite.as_view(), name="member-invite"),
        path("projects/<int:project>/active-time/", time_api.Time.as_view(), name="project-active-time"),
        path(
            "projects/<int:project>/round-policy/",
            round_settings.Policy.as_view(),
            name="project-round-policy",
        ),
        path("projects/<int:project>/notices/", round_settings.Notices.as_view(), name="project-notices"),
        path(
            "projects/<int:project>/notices/secret/",
            round_settings.NoticesSecret.as_view(),
            name="notices-secret",
        ),
        path("projects/<int:project>/notices/test/", round_settings.NoticesTest.as_view(), name="notices-test"),
        path("projects/<int:project>/studies/", studies.StudyList.as_view(), name="study-list"),
        path("studies/<int:study>/", studies.StudyDetail.as_view(), name="study-detail"),
        path("studies/<int:study>/report/", studies.StudyReport.as_view(), name="study-numbers"),
        path("projects/<int:project>/archive/", rounds.Archive.as_view(), name="project-archive"),
        path("projects/<int:project>/restore/", rounds.Restore.as_view(), name="project-restore"),
        path("projects/<int:project>/copy/", upkeep.CopyProject.as_view(), name="project-copy"),
        path("projects/<int:project>/delete/", upkeep.DeleteProject.as_view(), name="project-delete"),
        path("projects/<int:project>/images/", images.ImageList.as_view(), name="image-list"),
        path("projects/<int:project>/images/table/", exchange.ImageTable.as_view(), name="image-table"),
        path("projects/<int:project>/images/delete/", upkeep.DeleteImages.as_view(), name="image-delete"),
        path("projects/<int:project>/images/restore/", upkeep.RestoreImages.as_view(), name="image-restore"),
        path("projects/<int:project>/storage/", upkeep.Storage.as_view(), name="storage"),
        path("projects/<int:project>/storage/clean-up/", upkeep.CleanUp.as_view(), name="storage-clean-up"),
        path("projects/<int:project>/images/by-names/", patients.StateByNames.as_view(), name="image-by-names"),
        path("projects/<int:project>/centres/", patients.Centres.as_view(), name="centre-list"),
        path("centres/<int:centre>/", patients.CentreDetail.as_view(), name="centre-detail"),
        path("projects/<int:project>/patients/", patients.Patients.as_view(), name="patient-list"),
        path("projects/<int:project>/patients/assign/", patients.AssignSplits.as_view(), name="patient-assign"),
        path("patients/<int:patient>/withdrawal/", upkeep.WithdrawPatient.as_view(), name="patient-withdrawal"),
        path("patients/<int:patient>/", patients.PatientDetail.as_view(), name="patient-detail"),
        path(
            "projects/<int:project>/split-changes/",
            patients.SplitChanges.as_view(),
            name="split-change-list",
        ),
        path("projects/<int:project>/rounds/", rounds.RoundList.as_view(), name="round-list"),
        path("projects/<int:project>/rounds/before/", rounds.BeforeRound.as_view(), name="round-before"),
        path("projects/<int:project>/rounds/compare/", rounds.Compare.as_view(), name="round-compare"),
        path("projects/<int:project>/rounds/roll-back/", rounds.RollBack.as_view(), name="round-roll-back"),
        path(
            "projects/<int:project>/reference-sets/",
            rounds.ReferenceSets.as_view(),
            name="reference-set-list",
        ),
        path(
            "projects/<int:project>/reference-masks/",
            rounds.ReferenceMasks.as_view(),
            name="reference-mask-list",
        ),
        path(
            "images/<int:image>/reference-masks/",
            rounds.ImageReferenceMasks.as_view(),
            name="image-reference-masks",
        ),
        path("projects/<int:project>/models/", rounds.ModelVersionList.as_view(), name="model-version-list"),
        path("projects/<int:project>/weights/", rounds.WeightsImports.as_view(), name="weights-import-list"),
        path("projects/<int:project>/export/<str:layout>/", exchange.Export.as_view(), name="export"),
        path("projects/<int:project>/exports/", exchange.Exports.as_view(), name="export-list"),
        path("projects/<int:project>/imports/", importing.Imports.as_view(), name="import-list"),
        path("projects/<int:project>/proposals/", proposing.Proposals.as_view(), name="proposal-list"),
        path(
            "projects/<int:project>/proposals/before/",
            proposing.BeforeProposals.as_view(),
            name="proposal-before",
        ),
        path("projects/<int:project>/jobs/", jobs.JobList.as_view(), name="job-list"),
        path("jobs/<int:job>/", jobs.JobDetail.as_view(), name="job-detail"),
        path("jobs/<int:job>/cancel/", jobs.JobCancel.as_view(), name="job-cancel"),
        path("jobs/<int:job>/retry/", jobs.JobRetry.as_view(), name="job-retry"),
        path("jobs/<int:job>/choose/", images.Choice.as_view(), name="job-choose"),
        path("jobs/<int:job>/confirm/", importing.ImportConfirm.as_view(), name="job-confirm"),
        path("jobs/<int:job>/withdraw/", proposing.Withdraw.as_view(), name="job-withdraw"),
        path("jobs/<int:job>/discard/", jobs.JobDiscard.as_view(), name="job-discard"),
        path("jobs/<int:job>/result/", jobs.JobResult.as_view(), name="job-result"),
        path(
            "projects/<int:project>/invitations/",
            invitations.InvitationList.as_view(),
            name="invitation-list",
        ),
        path(
            "invitations/<int:invitation>/revoke/",
            invitations.InvitationRevoke.as_view(),
            name="invitation-revoke",
        ),
        path(
            "projects/<int:project>/agreement/",
            agreement.Agreement.as_view(),
            name="agreement",
        ),
        path(
            "images/<int:image>/consensus/",
            consensus.ImageConsensus.as_view(),
            name="image-consensus",
        ),
        path(
            "disagreements/<int:disagreement>/",
            consensus.DecideDisagreement.as_view(),
            name="disagreement-decide",
        ),
        path(
            "projects/<int:project>/consensus/lock/",
            consensus.LockConsensus.as_view(),
            name="consensus-lock",
        ),
        path(
            "projects/<int:project>/consensus/votes/",
            consensus.Votes.as_view(),
            name="consensus-votes",
        ),
        path(
            "projects/<int:project>/agreement/table/",
            agreement.AgreementTable.as_view(),
            name="agreement-table",
        ),
        path("projects/<int:project>/gallery/", gallery.GalleryCells.as_view(), name="gallery-cells"),
        path("projects/<int:project>/gallery/likeness/", gallery.Likeness.as_view(), name="gallery-likeness"),
        path("projects/<int:project>/gallery/map/", gallery.NeighbourMap.as_view(), name="gallery-map"),
        path("projects/<int:project>/gallery/sheet/", gallery.GallerySheet.as_view(), name="gallery-sheet"),
        path("projects/<int:project>/gallery/screens/", gallery.Screens.as_view(), name="gallery-screens"),
        path(
            "projects/<int:project>/gallery/screens/<uuid:screen>/undo/",
            gallery.ScreenUndo.as_view(),
            name="gallery-screen-undo",
        ),
        path(
            "projects/<int:project>/certificates/",
            certificates.Certificates.as_view(),
            name="certificate-list",
        ),
        path("certificates/<int:lot>/", certificates.CertificateDetail.as_view(), name="certificate-detail"),
        path(
            "certificates/<int:lot>/cells/",
            certificates.CertificateCells.as_view(),
            name="certificate-cells",
        ),
        path(
            "certificates/<int:lot>/fields/",
            certificates.CertificateFields.as_view(),
            name="certificate-fields",
        ),
        path(
            "certificates/<int:lot>/record/",
            certificates.CertificateRecord.as_view(),
            name="certificate-record",
        ),
        path("projects/<int:project>/comments/", reviews.CommentList.as_view(), name="comment-list"),
        path("images/<int:image>/comments/", reviews.ImageComments.as_view(), name="image-comments"),
        path("images/<int:image>/comments/seen/", reviews.CommentSeen.as_view(), name="image-comments-seen"),
        path("comments/<int:comment>/reply/", reviews.CommentReply.as_view(), name="comment-reply"),
        path("comments/<int:comment>/resolve/", reviews.CommentResolve.as_view(), name="comment-resolve"),
        path("comments/<int:comment>/reopen/", reviews.CommentReopen.as_view(), name="comment-reopen"),
        path(
            "projects/<int:project>/workflow/",
            assignments.ProjectWorkflow.as_view(),
            name="project-workflow",
        ),
        path("projects/<int:project>/items/", assignments.ItemList.as_view(), name="item-list"),
        path("projects/<int:project>/items/next/", assignments.ItemNext.as_view(), name="item-next"),
        path("projects/<int:project>/items/review/", assignments.ItemReview.as_view(), name="item-review"),
        path("projects/<int:project>/items/assign/", assignments.ItemAssign.as_view(), name="item-assign"),
        path("projects/<int:project>/items/late/", assignments.ItemLateList.as_view(), name="item-late-list"),
        path("items/<int:work_item>/", assignments.ItemDetail.as_view(), name="item-detail"),
        path("items/<int:work_item>/begin/", assignments.ItemBegin.as_view(), name="item-begin"),
        path("items/<int:work_item>/renew/", assignments.ItemRenew.as_view(), name="item-renew"),
        path("items/<int:work_item>/finish/", assignments.ItemFinish.as_view(), name="item-finish"),
        path("items/<int:work_item>/skip/", assignments.ItemSkip.as_view(), name="item-skip"),
        path("items/<int:work_item>/release/", assignments.ItemRelease.as_view(), name="item-release"),
        path("items/<int:work_item>/accept/", assignments.ItemAccept.as_view(), name="item-accept"),
        path("items/<int:work_item>/send-back/", assignments.ItemSendBack.as_view(), name="item-send-back"),
        path("items/<int:work_item>/reopen/", assignments.ItemReopen.as_view(), name="item-reopen"),
        path("items/<int:work_item>/unblind/", assignments.ItemUnblind.as_view(), name="item-unblind"),
        path("items/<int:work_item>/late/", assignments.ItemLate.as_view(), name="item-late"),
        path("images/<int:image>/", images.ImageDetail.as_view(), name="image-detail"),
        path("images/<int:image>/annotations/", drawn.Drawn.as_view(), name="image-annotations"),
        path("images/<int:image>/annotations/geojson/", drawn.DrawnGeoJson.as_view(), name="image-geojson"),
        path("images/<int:image>/annotations/accept/", drawn.Accept.as_view(), name="image-accept"),
        path("images/<int:image>/annotations/reject/", drawn.Reject.as_view(), name="image-reject"),
        path("images/<int:image>/annotations/relabel/", drawn.Relabel.as_view(), name="image-relabel"),
        path("images/<int:image>/workspace/", workspace.Workspace.as_view(), name="image-workspace"),
        path("images/<int:image>/pixels/", images.Pixels.as_view(), name="image-pixels"),
        path("images/<int:image>/original/", images.Original.as_view(), name="image-original"),
        path("images/<int:image>/thumbnail/", images.Thumbnail.as_view(), name="image-thumbnail"),
        path("images/<int:image>/outlines/", outlines.ThumbnailOutlines.as_view(), name="image-outlines"),
        path(
            "images/<int:image>/tiles/<int:level>/<int:column>/<int:row>/",
            images.Tile.as_view(),
            name="image-tile",
        ),
        path("projects/<int:project>/uploads/", resumable.Uploads.as_view(), name="upload-list"),
        path("uploads/<uuid:upload>/", resumable.Upload.as_view(), name="upload-detail"),
        path("projects/<int:project>/slides/", slides.Slides.as_view(), name="slide-list"),
        path("images/<int:image>/slide/", slides.SlideDetail.as_view(), name="image-slide"),
        path("images/<int:image>/fields/", slides.Fields.as_view(), name="image-fields"),
        path("images/<int:image>/smart/", interactive.Smart.as_view(), name="image-smart"),
        path("images/<int:image>/refusion/", interactive.Refusion.as_view(), name="image-refusion"),
        path("images/<int:image>/overlay/", overlay.Overlay.as_view(), name="image-overlay"),
        path("images/<int:image>/reference/", overlay.ReferencePack.as_view(), name="image-reference-pack"),
        path("rounds/<int:round>/", rounds.RoundDetail.as_view(), name="round-detail"),
        path("rounds/<int:round>/events/", round_settings.RoundEvents.as_view(), name="round-events"),
        path("rounds/<int:round>/drift/", rounds.ByOrigin.as_view(), name="round-drift"),
        path("rounds/<int:round>/cancel/", rounds.Cancel.as_view(), name="round-cancel"),
        path("rounds/<int:round>/retry/", rounds.Retry.as_view(), name="round-retry"),
        path("rounds/<int:round>/export/", rounds.Export.as_view(), name="round-export"),
        path("rounds/<int:round>/promote/", rounds.Promote.as_view(), name="round-promote"),
        path("rounds/<int:round>/tuning/", rounds.RoundTuning.as_view(), name="round-tuning"),
    ]


def former_routes() -> list[Any]:
    """Addresses of the release before, which answer as the new ones do until the next release."""
    from labeling import interactive
    from labeling.rounds.http import api as rounds

    return [
        path("images/<int:image>/refuse/", interactive.Refusion.as_view(), name="image-refusion-former"),
        path("rounds/<int:round>/sweep/", rounds.RoundTuning.as_view(), name="round-tuning-former"),
    ]


urlpatterns = [*routes(), *former_routes(), re_path("", unknown, name="unknown")]
