"""Install tools and weights, convert weights, collect files; on VACC also data sets and images."""

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Literal

from django.utils.translation import gettext as _

from jobs.base.errors import LaunchError
from jobs.base.messages import Message
from jobs.catalog import MODELS, HubSource, PackageSource, ZooModel
from jobs.kinds.lib import common, vacc
from jobs.kinds.lib.base import Choice, Kind, KindParams, Target, field
from jobs.plans import Plan
from jobs.tools.lib import environments, folders
from jobs.tools.lib.environments import ENVIRONMENTS, VLLM_CPU, ToolEnvironment
from jobs.tools.opencompass import commands as opencompass
from jobs.tools.vacc import downloads
from jobs.tools.vacc import images as vacc_images
from jobs.tools.vacc.downloads import DATASETS, OPENCOMPASS, Download
from jobs.tools.vacc.images import image_of, variant
from jobs.tools.vllm import serve


class PrepareParams(KindParams):
    """Content to install."""

    what: Literal["weights", "environment"] = field("weights", "Type", "Content")
    """Weights: download, unpack, verify. Environment: install a tool."""
    model: str = field("smollm2-135m-instruct", "Model", "Content", when=("what", "weights"))
    """Model to download."""
    environment: str = field(
        environments.LLAMA_CPP, "Environment", "Content", when=("what", "environment")
    )
    """Tool to install in its own environment."""


class Prepare(Kind, params=PrepareParams):
    """Install a model's weights or a tool's environment on a host."""

    name = "prepare"
    title = "Prepare"
    good_for = "A packaged model, or the environment of a tool. Any host."
    reads = "readings.installed"
    progress = "tools.outputs.progress.packages_or_size"
    family = "prepare"
    programs = environments.PROGRAMS
    steps = environments.STEPS
    brings = True

    def choices(self, field: str, target: Target) -> Sequence[Choice] | None:
        if field == "what":
            return [Choice("weights", "Weights"), Choice("environment", "Environment")]
        if field == "model":
            return [Choice(model.id, model.name) for model in MODELS.values() if model.package]
        if field == "environment":
            return [Choice(item.name, item.title) for item in ENVIRONMENTS.values()]
        return None

    def title_of(self, params: PrepareParams, target: Target) -> str:
        """ "SmolLM2-135M-Instruct", "llama.cpp"."""
        if params.what == "weights":
            return weights_of(params)[0].name
        return environment_of(params).title

    def product(self, params: PrepareParams, target: Target) -> Mapping[str, Any] | None:
        here = common.site(target)
        if params.what == "environment":
            environment = environment_of(params)
            return {
                "type": "environment",
                "name": environment.name,
                "fingerprint": environment.fingerprint,
                "path": environment.path(here),
            }
        model, source = weights_of(params)
        return {
            "type": "weights",
            "model_id": model.id,
            "precision": source.precision,
            "bytes": source.bytes,
            "sha256": source.sha256,
            "path": environments.weights_path(model, source, here),
        }

    def plan(self, params: PrepareParams, target: Target) -> Plan:
        if params.what == "weights":
            return environments.weights_plan(*weights_of(params), common.site(target))
        environment = environment_of(params)
        version = str((target.facts.get("python") or {}).get("version") or "")
        minor = re.match(r"3\.(\d+)", version)
        if environment.newest and minor and int(minor[1]) > environment.newest:
            message = _(
                "%(tool)s needs Python 3.%(newest)d or older; %(host)s runs the agent with "
                "%(version)s."
            )
            args = {"tool": environment.title, "newest": environment.newest, "host": target.name}
            raise LaunchError(message, "environment", **args, version=version)
        return environments.prepare_plan(environment, common.site(target))

    def successors(self, params: PrepareParams) -> Sequence[str]:
        """Weights are compiled or unpacked; of the environments only vLLM's has a next step."""
        if params.what == "weights":
            return ("compile", "convert-weights")
        return ("convert-weights",) if params.environment == VLLM_CPU else ()


def weights_of(params: PrepareParams) -> tuple[ZooModel, PackageSource]:
    model = vacc.model_of(params.model)
    if model.package is None:
        raise LaunchError(_("No Python package contains the weights of this model."), "model")
    return model, model.package


def environment_of(params: PrepareParams) -> ToolEnvironment:
    if params.environment not in ENVIRONMENTS:
        raise LaunchError(_("Unknown environment. Choose one from the list."), "environment")
    return ENVIRONMENTS[params.environment]


class ConvertParams(KindParams):
    """Weights to convert."""

    weights: str = field(..., "Weights", "Model", asset="weights")
    """GGUF file, converted to BF16. Precision lost earlier is not restored."""


class ConvertWeights(Kind, params=ConvertParams):
    """Convert a packaged GGUF file to a folder of safetensors."""

    name = "convert-weights"
    title = "Convert weights for vLLM"
    good_for = "A GGUF file as safetensors, which vLLM on a processor needs."
    reads = "readings.converted"
    progress = "tools.outputs.progress.tensors"
    family = "prepare"
    has_dies = False
    environment = VLLM_CPU
    leads_to = ("deploy-vllm", "benchmark-throughput", "benchmark-latency")
    programs = serve.CPU_PROGRAMS

    def notes(self, params: ConvertParams, target: Target) -> Sequence[Message]:
        return (Message("convert:think_tokens"),)

    def choices(self, field: str, target: Target) -> Sequence[Choice] | None:
        return common.gguf_choices(target) if field == "weights" else None

    def title_of(self, params: ConvertParams, target: Target) -> str:
        """ "SmolLM2-135M-Instruct, BF16 from Q4_1"."""
        model, label, _folder = _conversion(params, target)
        return f"{model.name}, {label}"

    def product(self, params: ConvertParams, target: Target) -> Mapping[str, Any] | None:
        model, label, folder = _conversion(params, target)
        return {
            "type": "weights",
            "model_id": model.id,
            "precision": label,
            "path": folder,
            "details": {"format": serve.FORMAT},
        }

    def plan(self, params: ConvertParams, target: Target) -> Plan:
        _model, label, folder = _conversion(params, target)
        return serve.unpack_plan(folder, label, common.site(target))


def _conversion(params: ConvertParams, target: Target) -> tuple[ZooModel, str, str]:
    """Return the model, the new precision, and the folder next to the source file, named after the
    model's hub ID."""
    source = target.asset("weights", params.weights)
    model, label = vacc.model_of_asset(source), serve.label_of(str(source.data["precision"]))
    root = PurePosixPath(common.site(target).weights, model.id)
    return model, label, str(root / f"{model.folder}.{serve.PRECISION}")


class CollectParams(KindParams):
    """Folder to collect."""

    # One argument that no shell reads: names of other teams have spaces and any script.
    folder: str = field("", "Folder", "Results", max_length=255)
    """Folder of a run, below the host's workspace. JSON, JSON lines, CSV, Markdown, YAML, text
    files and logs are copied; nothing is changed."""


class CollectResults(Kind, params=CollectParams):
    """Copy the result files of a folder on a host, for an import."""

    name = folders.COLLECT
    title = "Collect result files"
    good_for = "Results of a run that was started by hand on the host."
    reads = "readings.collected"
    family = "prepare"
    programs = folders.COLLECT_PROGRAMS
    steps = folders.COLLECT_STEPS
    collects = folders.ARCHIVE

    def title_of(self, params: CollectParams, target: Target) -> str:
        return params.folder

    def plan(self, params: CollectParams, target: Target) -> Plan:
        here, path = common.site(target), params.folder
        if not path.isprintable() or not common.is_inside(path, here.workspace):
            message = _("Enter an absolute path below %(folder)s.")
            raise LaunchError(message, "folder", folder=here.workspace)
        folder = PurePosixPath(path)
        if folder == PurePosixPath(here.workspace):
            text = _("Enter the folder of one run or of some runs, not the whole workspace.")
            raise LaunchError(text, "folder")
        if any(common.is_inside(path, own) for own in here.own_folders):
            text = _("This folder is one of jobs or environments. Files of a job are on its page.")
            raise LaunchError(text, "folder")
        return folders.collect_plan(str(folder), here)


# Of Hugging Face and of ModelScope: only a repository's owners write there.
_MAIN_BRANCHES = ("main", "master")


class WeightsParams(vacc.VaccParams):
    """Weights, and their source."""

    model: str = field("deepseek-r1-distill-qwen-7b", "Model", "Weights")
    """Model to prepare."""
    source: Literal["hf", "hfd", "modelscope", "folder"] = field("hf", "Source", "Weights")
    """Download tool, or a folder that has the weights."""
    folder: str = field("", "Folder", "Weights", max_length=255, pattern=common.PATH)
    """Folder of the weights. Empty: the host's weights folder."""
    endpoint: str = vacc.endpoint_field()
    revision: str = field(
        *("", "Revision", "Download"),
        max_length=100,
        pattern=r"^$|^[A-Za-z0-9][A-Za-z0-9._/-]*$",
        source="revision",
    )
    """Branch, tag or commit. Empty: the latest."""
    token: str = field(
        *("", "Token secret", "Download"),
        max_length=64,
        pattern=common.SECRET,
        when=("source", "hf"),
    )
    """Secret with the hub token, for gated models; hf only."""
    connections: int = field(8, "Connections", "Download", ge=1, le=32)
    """Parallel file downloads. With hfd.sh: connections per file, 10 at most."""
    checksums: bool = field(True, "Verify checksums", "Check")
    """Read every shard and compare it with the hub's checksum, if the tool stored one. If off, only
    sizes, index and headers are checked, in seconds."""


class PrepareWeights(vacc.OnVacc, params=WeightsParams):
    """Download a model's weights to a VACC host, or verify existing ones."""

    name = "prepare-weights"
    title = "Prepare weights"
    good_for = "Published weights from a hub or a folder, verified by checksum."
    reads = "readings.weights"
    progress = "tools.outputs.progress.brought"
    family = "prepare"
    programs = downloads.WEIGHTS_PROGRAMS
    mends = ("check:weights_missing", "check:shard_missing")
    brings = True

    def choices(self, field: str, target: Target) -> Sequence[Choice] | None:
        if field == "model":
            return [
                Choice(m.id, m.name) for m in MODELS.values() if isinstance(m.source, HubSource)
            ]
        if field == "source":
            return vacc.source_choices("hf", "hfd", "modelscope", "folder")
        return super().choices(field, target)

    def notes(self, params: WeightsParams, target: Target) -> Sequence[Message]:
        return common.guide_notes("weights_linked", "verify_added")

    def title_of(self, params: WeightsParams, target: Target) -> str:
        return vacc.model_of(params.model).name

    def sources(self, params: WeightsParams, target: Target) -> Mapping[str, str]:
        """A revision other than the main branch stands for the model at that revision: on hubs a
        stranger's proposal has one too."""
        found = {**super().sources(params, target)}
        if "revision" in found:
            del found["revision"]
            if params.revision not in _MAIN_BRANCHES:
                found["revision"] = f"{vacc.model_of(params.model).hub_id}@{params.revision}"
        return found

    def product(self, params: WeightsParams, target: Target) -> Mapping[str, Any] | None:
        model = vacc.model_of(params.model)
        source, folder = _hub(model, params, target)
        return {
            "type": "weights",
            "model_id": model.id,
            "precision": source.precision,
            "bytes": source.bytes,
            "path": folder,
            "details": {"hub_id": model.hub_id, "revision": params.revision},
        }

    def plan(self, params: WeightsParams, target: Target) -> Plan:
        model = vacc.model_of(params.model)
        source, folder = _hub(model, params, target)
        if params.source == "hfd" and params.connections > 10:
            raise LaunchError(_("hfd.sh supports at most 10 connections."), "connections")
        if params.source != "hf" and params.token:
            message = _(
                "Only hf keeps the token secret; other tools would expose it on the command line."
            )
            raise LaunchError(message, "token")
        wanted = Download(
            params,
            model.hub_id,
            folder,
            bytes=source.bytes if source.shards > 1 else 0,
            program=downloads.program_of(target.facts),
        )
        site = vacc.vacc_site(target)
        return downloads.weights_plan(model, source, site, wanted=wanted, read_all=params.checksums)

    def successors(self, params: WeightsParams) -> Sequence[str]:
        """Compile a distill (patch Qwen first), or serve the full model."""
        model = MODELS.get(params.model)
        if model is None:
            return ()
        if model.modification:
            return ("apply-modification",)
        compiled = ("compile-vacc",) if "build_in" in model.paths else ()
        return (*compiled, "deploy-vllm", "benchmark-throughput", "benchmark-latency")


def _hub(model: ZooModel, params: WeightsParams, target: Target) -> tuple[HubSource, str]:
    """Return the weights on the hub, and their folder on the host."""
    if not isinstance(model.source, HubSource):
        message = _("This model is distributed as a Python package, not on a hub.")
        raise LaunchError(message, "model")
    site = vacc.vacc_site(target)
    return model.source, vacc.folder_in_workspace(
        params.folder, site, f"{site.weights}/{model.folder}"
    )


class PatchParams(vacc.VaccParams):
    """Weights to patch, or to restore."""

    weights: str = field(..., "Weights", "VACC patch", asset="weights")
    """Weights of a Qwen distill; Llama distills need no patch."""
    only_show: bool = field(False, "Dry run", "VACC patch")
    """Show all differences in the log and write nothing."""
    undo: bool = field(False, "Undo", "VACC patch")
    """Restore the files replaced by the patch."""


class ApplyModification(vacc.OnVacc, params=PatchParams):
    """Add the vendor's patched model files to a Qwen distill's weights."""

    name = "apply-modification"
    title = "Apply VACC patch"
    good_for = "The vendor's model files, which Qwen distills need before they are compiled."
    reads = "readings.modification"
    family = "prepare"
    programs = downloads.PATCH_PROGRAMS
    steps = downloads.PATCH_STEPS
    mends = ("check:modification_missing", "check:modification_differs")

    def choices(self, field: str, target: Target) -> Sequence[Choice] | None:
        if field == "weights":
            models = [(ref, MODELS.get(str(ref.data["model_id"]))) for ref in target.weights]
            return common.asset_choices(
                ref for ref, model in models if model and model.modification
            )
        return super().choices(field, target)

    def notes(self, params: PatchParams, target: Target) -> Sequence[Message]:
        if params.undo:
            return common.guide_notes("nothing_printed")
        return common.guide_notes("modification_in_words", "config_vacc_made")

    def title_of(self, params: PatchParams, target: Target) -> str:
        return _patched(params, target).name

    def product(self, params: PatchParams, target: Target) -> Mapping[str, Any] | None:
        if params.only_show and not params.undo:
            return None
        there = target.asset("weights", params.weights).data
        known = {name: there[name] for name in ("model_id", "precision", "bytes", "path")}
        details = {"modification": not params.undo}
        return {"type": "weights", "amends": True, **known, "details": details}

    def plan(self, params: PatchParams, target: Target) -> Plan:
        model, site = _patched(params, target), vacc.vacc_site(target)
        if params.undo and params.only_show:
            raise LaunchError(_("“Undo” cannot be a dry run. Choose one of the two."), "only_show")
        if not params.undo and not site.modification:
            message = _(
                "%(host)s has no folder with the vendor's model files. Set "
                "HOST_MODIFICATION_DIR in host.env."
            )
            raise LaunchError(message, "weights", host=target.name)
        return downloads.patch_plan(model, site, undo=params.undo, only_show=params.only_show)

    def successors(self, params: PatchParams) -> Sequence[str]:
        return () if params.undo or params.only_show else ("compile-vacc",)


def _patched(params: PatchParams, target: Target) -> ZooModel:
    model = vacc.model_of_asset(target.asset("weights", params.weights))
    if not model.modification:
        raise LaunchError(_("%(model)s needs no VACC patch."), "weights", model=model.name)
    return model


class DatasetParams(vacc.VaccParams):
    """Dataset, and its source."""

    dataset: Literal["c4", "ceval", "alpaca", "sharegpt", "sonnet", "opencompass"] = field(
        "c4", "Dataset", "Dataset"
    )
    """Dataset to prepare and verify."""
    source: Literal["hf", "hfd", "folder"] = field("hf", "Source", "Dataset")
    """Download tool for hub datasets (sonnets and OpenCompass use wget), or a folder that has the
    data."""
    folder: str = field("", "Folder", "Dataset", max_length=255, pattern=common.PATH)
    """Folder of the dataset. Empty: datasets in the workspace."""
    endpoint: str = vacc.endpoint_field()


class PrepareDatasets(vacc.OnVacc, params=DatasetParams):
    """Prepare datasets for calibration, benchmarks and evaluations of the guide."""

    name = "prepare-datasets"
    title = "Prepare datasets"
    good_for = "Data of the guide for calibration, benchmarks and evaluations."
    reads = "readings.data_set"
    progress = "tools.outputs.progress.brought"
    family = "prepare"
    programs = downloads.DATA_PROGRAMS
    steps = downloads.DATA_STEPS
    mends = ("calibration-data-missing", "dataset-missing", "archive-missing")
    brings = True

    def choices(self, field: str, target: Target) -> Sequence[Choice] | None:
        if field == "dataset":
            return [Choice(item.name, item.title) for item in DATASETS.values()]
        if field == "source":
            return vacc.source_choices("hf", "hfd", "folder")
        return super().choices(field, target)

    def notes(self, params: DatasetParams, target: Target) -> Sequence[Message]:
        if params.source == "folder":
            return common.guide_notes("nothing_printed")
        if params.dataset != OPENCOMPASS:
            return common.guide_notes("dataset_linked", "verify_added")
        if vacc.is_exact(params):
            return common.guide_notes("comments_run", "unzip_asks", "verify_added")
        return common.guide_notes(
            "comments_run", "wget_resumes", "unzip_overwrites", "verify_added"
        )

    def title_of(self, params: DatasetParams, target: Target) -> str:
        return DATASETS[params.dataset].title

    def product(self, params: DatasetParams, target: Target) -> Mapping[str, Any] | None:
        dataset = DATASETS[params.dataset]
        return {
            "type": "dataset",
            "name": dataset.name,
            "path": _dataset_folder(params, target),
            "details": {"calibrates": dataset.calibrates},
        }

    def plan(self, params: DatasetParams, target: Target) -> Plan:
        dataset, site = DATASETS[params.dataset], vacc.vacc_site(target)
        folder = _dataset_folder(params, target)
        if params.source == "folder":
            return downloads.check_plan(dataset, site, folder)
        if dataset.name == OPENCOMPASS:
            if params.folder:
                message = _(
                    "OpenCompass reads data only from its own checkout. Leave this field empty."
                )
                raise LaunchError(message, "folder")
            return downloads.opencompass_plan(dataset, site, exact=vacc.is_exact(params))
        if not dataset.repo:
            return downloads.sonnet_plan(dataset, site, folder)
        program = downloads.program_of(target.facts)
        wanted = Download(params, dataset.repo, folder, program, files=dataset.files)
        return downloads.hub_plan(dataset, site, wanted)

    def successors(self, params: DatasetParams) -> Sequence[str]:
        if params.dataset == OPENCOMPASS:
            return ("evaluate-opencompass",)
        return ("compile-vacc",) if DATASETS[params.dataset].calibrates else ("benchmark-online",)


def _dataset_folder(params: DatasetParams, target: Target) -> str:
    site = vacc.vacc_site(target)
    own = downloads.folder_of(DATASETS[params.dataset], site)
    return vacc.folder_in_workspace(params.folder, site, own)


_GUIDE, _CURRENT = ("stack", "guide"), ("stack", "current")


class ImageParams(vacc.VaccParams):
    """Image, and its source."""

    repository: str = field(
        *("", "Sources of vLLM", "Build"),
        max_length=255,
        pattern=vacc.GIT_ADDRESS,
        source="git",
        when=_GUIDE,
    )
    """Address of the vLLM repository. Empty: the guide's."""
    folder: str = field(
        "", "Vendor docker folder", "Build", max_length=255, pattern=common.PATH, when=_GUIDE
    )
    """Folder with the vendor's Dockerfile and wheels. Empty: docker in the workspace."""
    no_cache: bool = field(True, "No docker cache", "Build", when=_GUIDE)
    """Rebuild every layer, as the guide does. If off, repeated builds are fast."""
    tag: str = field(
        *("", "Tag", "Pull"),
        max_length=128,
        pattern=r"^$|^[A-Za-z0-9_][A-Za-z0-9._-]*$",
        when=_CURRENT,
        source="image",
    )
    """Image tag. Empty: the stack's tag for the host's processor."""
    registry_user: str = field(
        *("", "Registry user", "Pull"),
        max_length=128,
        pattern=r"^$|^[A-Za-z0-9][A-Za-z0-9._@+$-]*$",
        when=_CURRENT,
    )
    """User of the host's image registry. Empty: no login."""
    registry_password: str = field(
        "", "Registry password", "Pull", max_length=64, pattern=common.SECRET, when=_CURRENT
    )
    """Secret with the password of the registry user."""


class BuildImages(vacc.OnVacc, params=ImageParams):
    """Build vLLM's container image like the guide's, or pull it."""

    name = "build-images"
    title = "Build images"
    good_for = "vLLM's container image, built as in the guide or pulled."
    reads = "readings.image"
    progress = "tools.outputs.progress.image"
    family = "prepare"
    programs = vacc_images.PROGRAMS
    steps = vacc_images.STEPS
    leads_to = ("deploy-vllm", "benchmark-throughput", "benchmark-latency")
    mends = ("image-missing", "base-image-missing", "check:image_missing")
    brings = True

    def notes(self, params: ImageParams, target: Target) -> Sequence[Message]:
        site = vacc.vacc_site(target)
        processor = variant(site)
        if params.stack == "current":
            notes = common.guide_notes(registry_login=params.registry_password)
            if processor and not params.tag:
                notes.append(Message("guide:image_variant", {"image": _image(params, target)}))
        elif vacc.is_exact(params):
            folder = {"folder": f"{site.workspace}/vllm"}
            notes = [*common.guide_notes("cd"), Message("guide:clone_fails", folder)]
            notes += common.guide_notes(image_needs_avx512=processor)
        else:
            notes = common.guide_notes("cd", "clone_there", image_noavx=processor == "_noavx")
            if processor == "_arm":
                notes.append(Message("guide:image_arm", {"file": vacc_images.ARM_FILE}))
        return [*notes, *common.guide_notes("inspect_added")]

    def title_of(self, params: ImageParams, target: Target) -> str:
        return _image(params, target)

    def sources(self, params: ImageParams, target: Target) -> Mapping[str, str]:
        """The tag stands for the whole image."""
        found = super().sources(params, target)
        return {**found, "tag": _image(params, target)} if "tag" in found else found

    def product(self, params: ImageParams, target: Target) -> Mapping[str, Any] | None:
        """An environment whose path is the image's name; the image ID is known after the build."""
        return {
            "type": "environment",
            "name": f"image:{vacc_images.NAME}",
            "fingerprint": "",
            "path": _image(params, target),
        }

    def plan(self, params: ImageParams, target: Target) -> Plan:
        site, stack = vacc.vacc_site(target), vacc.stack_of(params)
        user, password = params.registry_user, params.registry_password
        if (user or password) and params.stack != "current":
            message = _("The guide's commands do not have this setting. Leave the default.")
            raise LaunchError(message, "registry_user" if user else "registry_password")
        if bool(user) != bool(password):
            message = _("Enter both user and password of the registry, or neither.")
            raise LaunchError(message, "registry_password" if user else "registry_user")
        if not image_of(stack).build:
            image = _image(params, target)
            return vacc_images.pull_plan(image, site, user=user, password=password)
        entered = "" if vacc.is_exact(params) else params.folder
        return vacc_images.build_plan(
            stack,
            site,
            repository=params.repository or image_of(stack).build[0].repository,
            folder=vacc.folder_in_workspace(entered, site, f"{site.workspace}/docker"),
            no_cache=params.no_cache,
            exact=vacc.is_exact(params),
        )


def _image(params: ImageParams, target: Target) -> str:
    return vacc.image_name(vacc.stack_of(params), target, params.tag)


class OpencompassParams(vacc.VaccParams):
    """From where."""

    repository: str = field(
        *("", "Sources of OpenCompass", "Sources"),
        max_length=255,
        pattern=vacc.GIT_ADDRESS,
        source="git",
    )
    """Repository address. Empty: the guide's."""
    index: str = field(
        *(opencompass.INDEX, "Package index", "Sources"),
        max_length=255,
        pattern=r"^$|^https?://[A-Za-z0-9][A-Za-z0-9._/:%+-]*$",
        source="index",
    )
    """Python package index. Empty: pip's settings on the host."""
    dataset_source: Literal["", "modelscope"] = field("", "Dataset source", "Datasets")
    """Also install ModelScope to download datasets from it."""


class PrepareOpencompass(vacc.OnOpencompass, params=OpencompassParams):
    """Install OpenCompass from sources in a conda environment."""

    name = "prepare-opencompass"
    title = "Prepare OpenCompass"
    good_for = "OpenCompass from sources, for the guide's evaluations."
    reads = "readings.opencompass"
    family = "prepare"
    programs = opencompass.PREPARE_PROGRAMS
    steps = opencompass.PREPARE_STEPS
    leads_to = ("prepare-datasets", "evaluate-opencompass")
    mends = ("opencompass-packages", "check:conda_env_missing")
    brings = True

    def notes(self, params: OpencompassParams, target: Target) -> Sequence[Message]:
        site = vacc.vacc_site(target)
        if vacc.is_exact(params):
            cloned = Message("guide:clone_fails", {"folder": f"{site.workspace}/opencompass"})
            differences = [
                *common.guide_notes("conda_anew"),
                cloned,
                *common.guide_notes("opencompass_unheld"),
            ]
        else:
            differences = common.guide_notes("conda_there", "clone_there", "opencompass_held")
        return [
            *common.guide_notes("cd"),
            Message("guide:conda_path", {"folder": f"{opencompass.folder(site)}/bin"}),
            *common.guide_notes("conda_yes"),
            *differences,
            *common.guide_notes("verify_added"),
        ]

    def title_of(self, params: OpencompassParams, target: Target) -> str:
        """ "OpenCompass 0.4.1"."""
        return f"OpenCompass {vacc.opencompass_of(params).opencompass}"

    def product(self, params: OpencompassParams, target: Target) -> Mapping[str, Any] | None:
        return {
            "type": "environment",
            "name": opencompass.NAME,
            "fingerprint": opencompass.fingerprint(vacc.opencompass_of(params)),
            "path": opencompass.folder(vacc.conda_site(target)),
        }

    def plan(self, params: OpencompassParams, target: Target) -> Plan:
        tools = vacc.opencompass_of(params)
        return opencompass.prepare_plan(
            tools,
            vacc.conda_site(target),
            repository=params.repository or tools.opencompass_repository,
            index=params.index,
            modelscope=params.dataset_source == "modelscope",
            exact=vacc.is_exact(params),
        )
