"""Apps, functions and their variants, images, local files and secrets: what a deployment leaves."""

import hashlib
from dataclasses import dataclass, field

from grpclib import GRPCError, Status
from modal_proto import api_pb2

IMAGE_BUILDER_VERSION = "2025.06"
"""Which of Modal's image recipes the client writes; nothing is built from it here."""

BUILT = api_pb2.GenericResult(status=api_pb2.GenericResult.GENERIC_STATUS_SUCCESS)


@dataclass
class App:
    app_id: str
    name: str
    environment: str
    published: bool = False
    functions: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


@dataclass
class Function:
    """A deployed function, or a variant of one made by `with_options`.

    `definition` is the published one; `draft` becomes it when the app is published. `override` has
    what was changed of its autoscaler's settings since then.
    """

    function_id: str
    app_id: str
    schema: api_pb2.FunctionSchema
    definition: api_pb2.Function | None = None
    draft: api_pb2.Function | None = None
    base_id: str = ""
    options: api_pb2.FunctionOptions | None = None
    override: api_pb2.AutoscalerSettings = field(default_factory=api_pb2.AutoscalerSettings)


class Apps:
    """The handlers of the calls that deploy and look up; each takes a request, gives a response."""

    def __init__(self, retire_containers):
        self.apps: dict[str, App] = {}
        self.functions: dict[str, Function] = {}
        self.images: dict[str, api_pb2.Image] = {}
        self.mounts: dict[str, list[api_pb2.MountFile]] = {}
        self.files: dict[str, bytes] = {}
        self.secrets: dict[str, dict[str, str]] = {}
        self.deployments = 0
        self._retire_containers = retire_containers
        self._count = 0

    def _new_id(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}-{self._count:06d}"

    def definition(self, function_id: str) -> api_pb2.Function:
        """What containers of a function or variant are started from."""
        function = self.functions[function_id]
        if not function.base_id:
            return function.definition or function.draft
        return with_options(self.definition(function.base_id), function.options)

    def autoscaler(self, function_id: str) -> api_pb2.AutoscalerSettings:
        """The settings in effect."""
        settings = api_pb2.AutoscalerSettings()
        settings.CopyFrom(self.definition(function_id).autoscaler_settings)
        settings.MergeFrom(self.functions[function_id].override)
        return settings

    def named(self, name: str, environment: str) -> App | None:
        matching = (
            app
            for app in self.apps.values()
            if app.published and (app.name, app.environment) == (name, environment or "main")
        )
        return next(matching, None)

    def layout(self, app_id: str) -> api_pb2.AppLayout:
        """The objects a container of this app may refer to."""
        app = self.apps[app_id]
        layout = api_pb2.AppLayout(function_ids=app.functions)
        object_ids = set()
        for function_id in app.functions.values():
            layout.objects.append(
                api_pb2.Object(
                    object_id=function_id, function_handle_metadata=self._metadata(function_id)
                )
            )
            dependencies = self.definition(function_id).object_dependencies
            object_ids |= {dependency.object_id for dependency in dependencies}
        layout.objects.extend(api_pb2.Object(object_id=name) for name in sorted(object_ids))
        return layout

    def image_lines(self, image_id: str) -> list[str]:
        """The Dockerfile lines of an image and of those it is built on, in order."""
        image = self.images[image_id]
        lines = [line for base in image.base_images for line in self.image_lines(base.image_id)]
        return lines + list(image.dockerfile_commands)

    def _metadata(self, function_id: str) -> api_pb2.FunctionHandleMetadata:
        function = self.functions[function_id]
        definition = function.draft or function.definition
        if function.base_id:
            definition = self.definition(function_id)
        metadata = api_pb2.FunctionHandleMetadata(
            function_schema=function.schema,
            app_id=function.app_id,
            base_function_id=function.base_id,
            function_type=api_pb2.Function.FUNCTION_TYPE_FUNCTION,
            definition_id=f"de-{function_id}",
        )
        if definition is not None:
            metadata.function_name = definition.function_name
            metadata.supported_input_formats.extend(definition.supported_input_formats)
            metadata.supported_output_formats.extend(definition.supported_output_formats)
        return metadata

    def _data(self, function_id: str) -> api_pb2.FunctionData:
        definition = self.functions[function_id].draft or self.definition(function_id)
        ranked = api_pb2.FunctionData.RankedFunction(rank=0, function=definition)
        return api_pb2.FunctionData(
            function_name=definition.function_name, ranked_functions=[ranked]
        )

    async def ClientHello(self, request):
        return api_pb2.ClientHelloResponse(image_builder_version=IMAGE_BUILDER_VERSION)

    async def EnvironmentGetOrCreate(self, request):
        name = request.deployment_name or "main"
        settings = api_pb2.EnvironmentSettings(image_builder_version=IMAGE_BUILDER_VERSION)
        return api_pb2.EnvironmentGetOrCreateResponse(
            environment_id=f"en-{name}",
            metadata=api_pb2.EnvironmentMetadata(name=name, settings=settings),
        )

    async def AppGetByDeploymentName(self, request):
        app = self.named(request.name, request.environment_name)
        return api_pb2.AppGetByDeploymentNameResponse(app_id=app.app_id if app else "")

    async def AppCreate(self, request):
        app_id = self._new_id("ap")
        self.apps[app_id] = App(
            app_id, request.description, request.environment_name or "main", tags=dict(request.tags)
        )
        return api_pb2.AppCreateResponse(app_id=app_id)

    async def AppGetOrCreate(self, request):
        app = self.named(request.app_name, request.environment_name)
        if app is None:
            if request.object_creation_type == api_pb2.OBJECT_CREATION_TYPE_UNSPECIFIED:
                raise GRPCError(Status.NOT_FOUND, f"no app named {request.app_name!r}")
            app = App(
                self._new_id("ap"), request.app_name, request.environment_name or "main", True
            )
            self.apps[app.app_id] = app
        return api_pb2.AppGetOrCreateResponse(app_id=app.app_id)

    async def AppGetLayout(self, request):
        return api_pb2.AppGetLayoutResponse(app_layout=self.layout(request.app_id))

    async def AppHeartbeat(self, request):
        return None

    async def AppClientDisconnect(self, request):
        return None

    async def AppPublish(self, request):
        app = self.apps[request.app_id]
        app.name, app.published = request.name, True
        app.functions, app.tags = dict(request.function_ids), dict(request.tags)
        for function_id in app.functions.values():
            function = self.functions[function_id]
            function.definition = function.draft or function.definition
            function.draft = None
            function.override.Clear()
        self.deployments += 1
        self._retire_containers(app.app_id)
        return api_pb2.AppPublishResponse(
            url=f"https://modal.invalid/{app.name}", deployed_at=float(self.deployments)
        )

    async def ImageGetOrCreate(self, request):
        digest = hashlib.sha256(request.image.SerializeToString(deterministic=True)).hexdigest()
        image_id = f"im-{digest[:20]}"
        self.images[image_id] = request.image
        metadata = api_pb2.ImageMetadata(image_builder_version=request.builder_version)
        return api_pb2.ImageGetOrCreateResponse(image_id=image_id, result=BUILT, metadata=metadata)

    async def MountBatchedCheckExistence(self, request):
        missing = [name for name in request.sha256_hex_hashes if name not in self.files]
        return api_pb2.MountBatchedCheckExistenceResponse(missing_sha256_hex_hashes=missing)

    async def MountPutFile(self, request):
        if request.data_blob_id:
            raise GRPCError(Status.UNIMPLEMENTED, "no local files over 4 MiB in the emulator")
        if request.data or request.sha256_hex == hashlib.sha256(b"").hexdigest():
            self.files[request.sha256_hex] = request.data
        return api_pb2.MountPutFileResponse(exists=request.sha256_hex in self.files)

    async def MountGetOrCreate(self, request):
        mount_id = f"mo-{request.deployment_name}" if request.deployment_name else None
        mount_id = mount_id or self._new_id("mo")
        self.mounts[mount_id] = list(request.files)
        return api_pb2.MountGetOrCreateResponse(
            mount_id=mount_id, handle_metadata=api_pb2.MountHandleMetadata()
        )

    async def SecretGetOrCreate(self, request):
        secret_id = f"st-{request.deployment_name}" if request.deployment_name else None
        if secret_id and secret_id not in self.secrets:
            raise GRPCError(Status.NOT_FOUND, f"no secret named {request.deployment_name!r}")
        secret_id = secret_id or self._new_id("st")
        self.secrets.setdefault(secret_id, dict(request.env_dict))
        return api_pb2.SecretGetOrCreateResponse(secret_id=secret_id)

    async def FunctionPrecreate(self, request):
        function_id = request.existing_function_id or self._new_id("fu")
        self.functions.setdefault(
            function_id, Function(function_id, request.app_id, request.function_schema)
        )
        metadata = self._metadata(function_id)
        metadata.function_name = request.function_name
        return api_pb2.FunctionPrecreateResponse(function_id=function_id, handle_metadata=metadata)

    async def FunctionCreate(self, request):
        if not request.HasField("function"):
            raise GRPCError(Status.UNIMPLEMENTED, "no lists of GPUs in the emulator")
        function = self.functions[request.existing_function_id]
        function.draft = request.function
        function.schema = request.function.function_schema
        return api_pb2.FunctionCreateResponse(
            function_id=function.function_id,
            handle_metadata=self._metadata(function.function_id),
            function=request.function,
            function_data=self._data(function.function_id),
        )

    async def FunctionGet(self, request):
        app = self.named(request.app_name, request.environment_name)
        if app is None or request.object_tag not in app.functions:
            raise GRPCError(
                Status.NOT_FOUND, f"no function {request.object_tag!r} in {request.app_name!r}"
            )
        function_id = app.functions[request.object_tag]
        return api_pb2.FunctionGetResponse(
            function_id=function_id,
            handle_metadata=self._metadata(function_id),
            function=self._data(function_id),
        )

    async def FunctionBindParams(self, request):
        base = self.functions[request.function_id]
        options = request.function_options
        digest = hashlib.sha256(options.SerializeToString(deterministic=True)).hexdigest()[:12]
        function_id = f"{base.function_id}-{digest}"
        self.functions[function_id] = Function(
            function_id, base.app_id, base.schema, base_id=base.function_id, options=options
        )
        return api_pb2.FunctionBindParamsResponse(
            bound_function_id=function_id, handle_metadata=self._metadata(function_id)
        )


def with_options(definition: api_pb2.Function, options: api_pb2.FunctionOptions):
    """The definition of a variant: the base's, with what the options name replaced."""
    variant = api_pb2.Function()
    variant.CopyFrom(definition)
    if options.HasField("resources"):
        variant.resources.MergeFrom(options.resources)
    if options.HasField("concurrency_limit"):
        variant.autoscaler_settings.max_containers = options.concurrency_limit
    if options.HasField("task_idle_timeout_secs"):
        variant.autoscaler_settings.scaledown_window = options.task_idle_timeout_secs
    if options.HasField("timeout_secs"):
        variant.timeout_secs = options.timeout_secs
    if options.replace_volume_mounts:
        del variant.volume_mounts[:]
    variant.volume_mounts.extend(options.volume_mounts)
    if options.replace_secret_ids:
        del variant.secret_ids[:]
    variant.secret_ids.extend(options.secret_ids)
    return variant
