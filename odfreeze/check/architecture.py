"""Facts about architectures: which feature extractor exists for which TensorFlow.

All from builders/model_builder.py of the Object Detection API: the maps in lines 101-178 are
those of TF2, lines 185-254 those of TF1. It tells the two apart by TensorFlow's own version,
so that under TF2 no config can ask for a TF1 extractor.
"""

from __future__ import annotations

__all__ = ["TF1_EXTRACTORS", "TF2_EXTRACTORS", "is_tf1_extractor", "tf2_counterpart"]

#: Feature extractor types that TF2 builds, by the field set under ``model``.
TF2_EXTRACTORS: dict[str, tuple[str, ...]] = {
    "ssd": (
        "ssd_mobilenet_v1_keras",
        "ssd_mobilenet_v1_fpn_keras",
        "ssd_mobilenet_v2_keras",
        "ssd_mobilenet_v2_fpn_keras",
        *(f"ssd_resnet{depth}_v1_fpn_keras" for depth in (50, 101, 152)),
        *(f"ssd_efficientnet-b{size}_bifpn_keras" for size in range(8)),
    ),
    "faster_rcnn": (
        *(f"faster_rcnn_resnet{depth}_keras" for depth in (50, 101, 152)),
        *(f"faster_rcnn_resnet{depth}_fpn_keras" for depth in (50, 101, 152)),
        "faster_rcnn_inception_resnet_v2_keras",
    ),
    "center_net": (
        "resnet_v2_50",
        "resnet_v2_101",
        *(f"resnet_v1_{depth}_fpn" for depth in (18, 34, 50, 101)),
        *(f"hourglass_{depth}" for depth in (10, 20, 32, 52, 104)),
        "mobilenet_v2",
        "mobilenet_v2_fpn",
        "mobilenet_v2_fpn_sep_conv",
    ),
}

#: Feature extractor types that only TF1 builds.
TF1_EXTRACTORS = frozenset({
    "embedded_ssd_mobilenet_v1",
    "ssd_inception_v2",
    "ssd_inception_v3",
    "ssd_mobilenet_edgetpu",
    "ssd_mobilenet_v1",
    "ssd_mobilenet_v1_fpn",
    "ssd_mobilenet_v1_ppn",
    "ssd_mobilenet_v2",
    "ssd_mobilenet_v2_fpn",
    "ssd_mobilenet_v2_mnasfpn",
    "ssd_mobilenet_v3_large",
    "ssd_mobilenet_v3_small",
    "ssd_pnasnet",
    "ssd_spaghettinet",
    *(f"ssd_mobiledet_{target}" for target in ("cpu", "dsp", "edgetpu", "gpu")),
    *(f"ssd_resnet{depth}_v1_{neck}" for depth in (50, 101, 152) for neck in ("fpn", "ppn")),
    "faster_rcnn_inception_resnet_v2",
    "faster_rcnn_inception_v2",
    "faster_rcnn_nas",
    "faster_rcnn_pnas",
    "faster_rcnn_resnet101",
    "faster_rcnn_resnet152",
    "faster_rcnn_resnet50",
})  # fmt: skip


def is_tf1_extractor(kind: str | None) -> bool:
    """Whether a feature extractor type exists for TF1 and not for TF2.

    >>> is_tf1_extractor("ssd_mobilenet_v2"), is_tf1_extractor("ssd_mobilenet_v2_keras")
    (True, False)
    """
    return kind in TF1_EXTRACTORS


def tf2_counterpart(kind: str) -> str | None:
    """Returns the TF2 type of the same network as a TF1 type, None where TF2 has none.

    >>> tf2_counterpart("ssd_mobilenet_v2"), tf2_counterpart("ssd_inception_v2")
    ('ssd_mobilenet_v2_keras', None)
    """
    wanted = f"{kind}_keras"
    return wanted if any(wanted in kinds for kinds in TF2_EXTRACTORS.values()) else None
