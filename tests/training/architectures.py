"""Every architecture that the OD API builds under TF2: one for each feature extractor, and more.

Their structure is that of the model zoo's configs; images, classes and proposals are few.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["ARCHITECTURES", "KEYPOINT_LABEL_MAP", "ZOO_LABEL_MAP", "Architecture"]

#: What stands in a config for the path of a file that holds KEYPOINT_LABEL_MAP.
LABEL_MAP = "PATH_OF_THE_KEYPOINT_LABEL_MAP"

KEYPOINTS = ("nose", "left_eye", "right_eye")

#: Those of COCO's person, which the model zoo's configs call by its Knowledge Graph id.
ZOO_KEYPOINTS = (
    "nose",
    *(
        f"{side}_{part}"
        for part in ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
        for side in ("left", "right")
    ),
)


def label_map(person: str, keypoints: Sequence[str]) -> str:
    """A label map of three classes, the first of which has keypoints."""
    points = "".join(
        f'\n  keypoints {{ id: {id} label: "{label}" }}' for id, label in enumerate(keypoints)
    )
    return f"""
item {{
  id: 1
  name: "{person}"{points}
}}
item {{ id: 2 name: "dog" }}
item {{ id: 3 name: "cat" }}
"""


KEYPOINT_LABEL_MAP = label_map("person", KEYPOINTS)

#: What the zoo's configs with keypoints expect of ``keypoint_label_map_path``.
ZOO_LABEL_MAP = label_map("/m/01g317", ZOO_KEYPOINTS)


@dataclass(frozen=True)
class Architecture:
    """A model of the OD API.

    Attributes:
      family: What people call it.
      name: Unique among all.
      extractor: ``type`` of its feature extractor.
      model: Text of the config's ``model``.
      slow: Whether it only repeats a faster one's layers, deeper.
    """

    family: str
    name: str
    extractor: str
    model: str
    slow: bool = False

    def config(self, label_map: str) -> str:
        """The text of a pipeline.config, given the path of a file with the keypoints."""
        return f"model {{\n{self.model}}}\n".replace(LABEL_MAP, label_map)


def hyperparams(norm: str = "batch_norm", activation: str = "RELU_6", extra: str = "") -> str:
    """The text inside of ``conv_hyperparams``."""
    norm = f"{norm} {{ scale: true decay: 0.9 epsilon: 0.001 }}" if norm else ""
    return f"""
      activation: {activation}
      regularizer {{ l2_regularizer {{ weight: 0.00004 }} }}
      initializer {{ truncated_normal_initializer {{ stddev: 0.03 }} }}
      {norm} {extra}
    """


def ssd(
    family: str,
    extractor: str,
    parts: str = "",
    *,
    name: str = "",
    head: str = "shared",
    levels: tuple[int, int] = (3, 7),
    layers: int = 4,
    depth: int = 64,
    norm: str = "batch_norm",
    activation: str = "RELU_6",
    extra: str = "",
    side: int = 256,
    slow: bool = False,
) -> Architecture:
    """An SSD; ``shared`` heads on a pyramid's levels, or ``convolutional`` ones of their own."""
    conv = hyperparams(norm, activation, extra)
    if head == "shared":
        predictor = f"""
    box_predictor {{
      weight_shared_convolutional_box_predictor {{
        depth: {depth} num_layers_before_predictor: {layers} kernel_size: 3
        use_depthwise: {"use_depthwise" in parts or "bifpn" in parts}
        conv_hyperparams {{ {conv} }}
      }}
    }}
    anchor_generator {{
      multiscale_anchor_generator {{
        min_level: {levels[0]} max_level: {levels[1]} anchor_scale: 4.0
        aspect_ratios: [1.0, 2.0, 0.5] scales_per_octave: 2
      }}
    }}
"""
    else:
        predictor = f"""
    box_predictor {{
      convolutional_box_predictor {{
        num_layers_before_predictor: 0 kernel_size: 1 box_code_size: 4 use_dropout: true
        conv_hyperparams {{ {conv} }}
      }}
    }}
    anchor_generator {{
      ssd_anchor_generator {{
        num_layers: 6 min_scale: 0.2 max_scale: 0.95 aspect_ratios: [1.0, 2.0, 0.5]
      }}
    }}
"""
    model = f"""
  ssd {{
    num_classes: 3
    image_resizer {{ fixed_shape_resizer {{ height: {side} width: {side} }} }}
    feature_extractor {{
      type: "{extractor}"
      conv_hyperparams {{ {conv} }}
      {parts}
    }}
{predictor}
    box_coder {{ faster_rcnn_box_coder {{}} }}
    matcher {{
      argmax_matcher {{
        matched_threshold: 0.5 unmatched_threshold: 0.5 force_match_for_each_row: true
      }}
    }}
    similarity_calculator {{ iou_similarity {{}} }}
    encode_background_as_zeros: true
    loss {{
      classification_loss {{ weighted_sigmoid_focal {{}} }}
      localization_loss {{ weighted_smooth_l1 {{}} }}
    }}
    normalize_loss_by_num_matches: true
    post_processing {{ score_converter: SIGMOID }}
  }}
"""
    return Architecture(family, name or family, extractor, model, slow)


_PYRAMID = "override_base_feature_extractor_hyperparams: true fpn {{ min_level: 3 max_level: {} }}"


def efficientdet(version: int, iterations: int, filters: int, heads: int) -> Architecture:
    """EfficientDet-D0 to D7; D6 and D7 share EfficientNet-B6 in the zoo, B7 is taken here."""
    top = 8 if version == 7 else 7
    bifpn = (
        f"bifpn {{ min_level: 3 max_level: {top} num_iterations: {iterations}"
        f" num_filters: {filters} }}"
    )
    return ssd(
        f"EfficientDet-D{version}",
        f"ssd_efficientnet-b{version}_bifpn_keras",
        bifpn,
        levels=(3, top),
        layers=heads,
        depth=filters,
        activation="SWISH",
        extra="force_use_bias: true",
        slow=version > 0,
    )


def faster_rcnn(
    family: str,
    extractor: str,
    parts: str = "",
    *,
    name: str = "",
    pyramid: bool = False,
    masks: bool = False,
    predictor: str = "",
    more: str = "",
    batch_norm: bool = False,
    side: int = 96,
    slow: bool = False,
) -> Architecture:
    """A Faster R-CNN; with ``pyramid`` an FPN's levels 2 to 6; with ``masks`` three stages."""
    plain = hyperparams("")
    if pyramid:
        parts += f"""
      fpn {{ min_level: 2 max_level: 6 }}
      conv_hyperparams {{ {hyperparams()} }}
      override_base_feature_extractor_hyperparams: true
"""
        anchors = """
      multiscale_anchor_generator {
        min_level: 2 max_level: 6 anchor_scale: 4.0 aspect_ratios: [1.0, 2.0, 0.5]
        scales_per_octave: 2 normalize_coordinates: false
      }
"""
    else:
        anchors = """
      grid_anchor_generator {
        scales: [0.25, 0.5, 1.0] aspect_ratios: [0.5, 1.0, 2.0] height_stride: 16 width_stride: 16
      }
"""
    mask_head = f"""
        predict_instance_masks: true mask_height: 33 mask_width: 33
        mask_prediction_conv_depth: 0 mask_prediction_num_conv_layers: 4
        conv_hyperparams {{ op: CONV {plain} }}
"""
    predictor = (
        predictor
        or f"""
      mask_rcnn_box_predictor {{
        use_dropout: true dropout_keep_probability: 0.8
        fc_hyperparams {{ op: FC {plain} }}
        {mask_head if masks else ""}
      }}
"""
    )
    model = f"""
  faster_rcnn {{
    num_classes: 3
    number_of_stages: {3 if masks else 2}
    image_resizer {{ fixed_shape_resizer {{ height: {side} width: {side} }} }}
    feature_extractor {{
      type: "{extractor}"
      batch_norm_trainable: {batch_norm}
      {parts}
    }}
    first_stage_anchor_generator {{ {anchors} }}
    first_stage_box_predictor_conv_hyperparams {{ op: CONV {plain} }}
    first_stage_nms_iou_threshold: 0.7
    first_stage_max_proposals: 8
    initial_crop_size: {17 if "inception" in extractor else 14}
    maxpool_kernel_size: {1 if "inception" in extractor else 2}
    maxpool_stride: {1 if "inception" in extractor else 2}
    second_stage_batch_size: 8
    second_stage_box_predictor {{ {predictor} }}
    second_stage_post_processing {{
      batch_non_max_suppression {{ max_detections_per_class: 8 max_total_detections: 8 }}
      score_converter: SOFTMAX
    }}
    {more}
  }}
"""
    return Architecture(family, name or family, extractor, model, slow)


def center_net(
    family: str,
    extractor: str,
    tasks: Sequence[str] = ("boxes",),
    parts: str = "",
    *,
    name: str = "",
    more: str = "",
    side: int = 128,
    slow: bool = False,
) -> Architecture:
    """A CenterNet with the heads of some tasks."""
    heads = "".join(TASKS[task] for task in tasks) + more
    model = f"""
  center_net {{
    num_classes: 3
    image_resizer {{
      keep_aspect_ratio_resizer {{
        min_dimension: {side} max_dimension: {side} pad_to_max_dimension: true
      }}
    }}
    feature_extractor {{ type: "{extractor}" {parts} }}
    object_center_params {{ {_FOCAL} }}
{heads}  }}
"""
    return Architecture(family, name or family, extractor, model, slow)


_FOCAL = "classification_loss { penalty_reduced_logistic_focal_loss { alpha: 2.0 beta: 4.0 } }"
_L1 = "localization_loss { l1_localization_loss {} }"
_CROSS_ENTROPY = "classification_loss { weighted_softmax {} }"

#: What each task adds to ``center_net``; a ``temporal_offset_task`` gets no groundtruth from
#: stock's training loop (``model_lib.provide_groundtruth``).
TASKS = {
    "boxes": f"    object_detection_task {{ {_L1} }}\n",
    "keypoints": f"""
    keypoint_label_map_path: "{LABEL_MAP}"
    keypoint_estimation_task {{
      task_name: "human_pose" keypoint_class_name: "person"
      loss {{ {_L1} {_FOCAL} }}
      {" ".join(f'keypoint_label_to_std {{ key: "{key}" value: 0.3 }}' for key in KEYPOINTS)}
      offset_peak_radius: 3 per_keypoint_offset: true predict_depth: true
    }}
""",
    "masks": f"    mask_estimation_task {{ {_CROSS_ENTROPY} mask_height: 32 mask_width: 32 }}\n",
    "dense pose": f"""
    densepose_estimation_task {{
      class_id: 0 num_parts: 24
      loss {{ {_CROSS_ENTROPY} {_L1} }}
    }}
""",
    "tracks": f"""
    track_estimation_task {{
      num_track_ids: 5 reid_embed_size: 16 num_fc_layers: 2 {_CROSS_ENTROPY}
    }}
""",
}


def deepmac(
    network: str,
    parts: str = "",
    *,
    slow: bool = False,
    embedding: bool = True,
    dim: int = 16,
    mask_size: int = 16,
) -> Architecture:
    """A DeepMAC with some kind of mask head, on the smallest hourglass.

    Stock cannot build ``fully_connected``: it keeps the mask size from that head
    (deepmac_meta_arch.py:1073).
    """
    task = f"""
    deepmac_mask_estimation {{
      network_type: "{network}" use_instance_embedding: {embedding}
      num_init_channels: 16 dim: {dim} pixel_embedding_dim: 8 mask_size: {mask_size}
      classification_loss {{ weighted_sigmoid {{}} }}
      {parts}
    }}
"""
    name = f"DeepMAC, {network}"
    return center_net("DeepMAC", "hourglass_10", name=name, more=task, slow=slow)


#: With it the loss draws random numbers: the state of a generator is a variable of the model.
_SELF_SUPERVISION = """
      augmented_self_supervision_loss_weight: 1.0
      augmented_self_supervision_max_translation: 0.1
"""
_DEPTHWISE = "use_depthwise: true "
_CONTEXT = """
    context_config { attention_bottleneck_dimension: 32 use_long_term_attention: true }
"""
_RFCN = f"""
      rfcn_box_predictor {{
        num_spatial_bins_height: 3 num_spatial_bins_width: 3 crop_height: 6 crop_width: 6 depth: 16
        conv_hyperparams {{ op: CONV {hyperparams("")} }}
      }}
"""

_MOBILENET = "min_depth: 16 depth_multiplier: 1.0 "
_OVERRIDE = "override_base_feature_extractor_hyperparams: true"

#: In the order of the table.
ARCHITECTURES: tuple[Architecture, ...] = (
    ssd("SSD MobileNet V1", "ssd_mobilenet_v1_keras", _MOBILENET + _OVERRIDE, head="own"),
    ssd("SSD MobileNet V1 FPN", "ssd_mobilenet_v1_fpn_keras", _MOBILENET + _PYRAMID.format(7)),
    ssd("SSD MobileNet V2", "ssd_mobilenet_v2_keras", _MOBILENET + _OVERRIDE, head="own"),
    ssd("SSD MobileNet V2 FPN", "ssd_mobilenet_v2_fpn_keras", _PYRAMID.format(7)),
    ssd("SSD MobileNet V2 FPNLite", "ssd_mobilenet_v2_fpn_keras", _DEPTHWISE + _PYRAMID.format(7)),
    ssd(
        "SSD MobileNet V2 FPNLite",
        "ssd_mobilenet_v2_fpn_keras",
        _DEPTHWISE + _PYRAMID.format(7),
        name="SSD MobileNet V2 FPNLite, sync_batch_norm",
        norm="sync_batch_norm",
    ),
    ssd("SSD ResNet50 V1 FPN", "ssd_resnet50_v1_fpn_keras", _PYRAMID.format(7)),
    ssd("SSD ResNet101 V1 FPN", "ssd_resnet101_v1_fpn_keras", _PYRAMID.format(7), slow=True),
    ssd("SSD ResNet152 V1 FPN", "ssd_resnet152_v1_fpn_keras", _PYRAMID.format(7), slow=True),
    efficientdet(0, 3, 64, 3),
    efficientdet(1, 4, 88, 3),
    efficientdet(2, 5, 112, 3),
    efficientdet(3, 6, 160, 4),
    efficientdet(4, 7, 224, 4),
    efficientdet(5, 7, 288, 4),
    efficientdet(6, 8, 384, 5),
    efficientdet(7, 8, 384, 5),
    faster_rcnn("Faster R-CNN ResNet50 V1", "faster_rcnn_resnet50_keras", batch_norm=True),
    faster_rcnn("Faster R-CNN ResNet101 V1", "faster_rcnn_resnet101_keras", slow=True),
    faster_rcnn("Faster R-CNN ResNet152 V1", "faster_rcnn_resnet152_keras", slow=True),
    faster_rcnn(
        "Faster R-CNN ResNet50 V1 FPN",
        "faster_rcnn_resnet50_fpn_keras",
        pyramid=True,
        batch_norm=True,
    ),
    faster_rcnn(
        "Faster R-CNN ResNet101 V1 FPN", "faster_rcnn_resnet101_fpn_keras", pyramid=True, slow=True
    ),
    faster_rcnn(
        "Faster R-CNN ResNet152 V1 FPN", "faster_rcnn_resnet152_fpn_keras", pyramid=True, slow=True
    ),
    faster_rcnn(
        "Faster R-CNN Inception-ResNet V2",
        "faster_rcnn_inception_resnet_v2_keras",
        batch_norm=True,
        slow=True,
    ),
    faster_rcnn(
        "Mask R-CNN Inception-ResNet V2",
        "faster_rcnn_inception_resnet_v2_keras",
        masks=True,
        slow=True,
    ),
    faster_rcnn("Mask R-CNN ResNet50 V1", "faster_rcnn_resnet50_keras", masks=True),
    faster_rcnn("R-FCN ResNet50 V1", "faster_rcnn_resnet50_keras", predictor=_RFCN),
    faster_rcnn("Context R-CNN ResNet50 V1", "faster_rcnn_resnet50_keras", more=_CONTEXT),
    faster_rcnn(
        "Context R-CNN ResNet101 V1", "faster_rcnn_resnet101_keras", more=_CONTEXT, slow=True
    ),
    center_net("CenterNet ResNet50 V2", "resnet_v2_50"),
    center_net("CenterNet ResNet101 V2", "resnet_v2_101", slow=True),
    center_net("CenterNet ResNet18 V1 FPN", "resnet_v1_18_fpn"),
    center_net("CenterNet ResNet34 V1 FPN", "resnet_v1_34_fpn"),
    center_net(
        "CenterNet ResNet50 V1 FPN",
        "resnet_v1_50_fpn",
        ["boxes", "keypoints"],
        name="CenterNet ResNet50 V1 FPN, keypoints",
    ),
    center_net("CenterNet ResNet101 V1 FPN", "resnet_v1_101_fpn", slow=True),
    center_net("CenterNet MobileNet V2", "mobilenet_v2"),
    center_net("CenterNet MobileNet V2 FPN", "mobilenet_v2_fpn"),
    center_net(
        "CenterNet MobileNet V2 FPN",
        "mobilenet_v2_fpn_sep_conv",
        parts="use_separable_conv: true",
        name="CenterNet MobileNet V2 FPN, separable",
    ),
    center_net(
        "CenterNet Hourglass-10",
        "hourglass_10",
        ["boxes", "keypoints", "masks", "dense pose", "tracks"],
        name="CenterNet Hourglass-10, every task",
    ),
    center_net("CenterNet Hourglass-20", "hourglass_20", slow=True),
    center_net("CenterNet Hourglass-32", "hourglass_32", slow=True),
    center_net("CenterNet Hourglass-52", "hourglass_52", slow=True),
    center_net(
        "CenterNet Hourglass-104",
        "hourglass_104",
        ["boxes", "keypoints"],
        name="CenterNet Hourglass-104, keypoints",
        slow=True,
    ),
    deepmac("hourglass10"),
    deepmac("resnet4", _SELF_SUPERVISION),
    deepmac("hourglass52", slow=True, mask_size=32),
    deepmac("cond_inst3", slow=True, embedding=False, dim=465),  # all weights of three layers
)
