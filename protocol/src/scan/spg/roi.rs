//! [`Roi`]: the regions of an excluder.
use super::fields::{Kinds, Typed};
use crate::scan::{
    SpecError,
    error::At,
    region::{Area, Plane, Sector, Segment},
};
use serde::Serialize;
use serde_json::Value;

#[derive(Clone, Copy)]
enum RoiKind {
    Circular,
    Elliptical,
    Linear,
    Point,
    Polygonal,
    Rectangular,
    Sector,
}

const ROIS: &Kinds<RoiKind> = &[
    ("CircularROI", RoiKind::Circular),
    ("EllipticalROI", RoiKind::Elliptical),
    ("LinearROI", RoiKind::Linear),
    ("PointROI", RoiKind::Point),
    ("PolygonalROI", RoiKind::Polygonal),
    ("RectangularROI", RoiKind::Rectangular),
    ("SectorROI", RoiKind::Sector),
];

/// A region of two axes. Angles are in radians, from the first axis towards the second; lengths are
/// greater than 0.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "typeid")]
pub(in crate::scan) enum Roi {
    #[serde(rename = "scanpointgenerator:roi/CircularROI:1.0")]
    Circular { centre: [f64; 2], radius: f64 },
    #[serde(rename = "scanpointgenerator:roi/EllipticalROI:1.0")]
    Elliptical { centre: [f64; 2], semiaxes: [f64; 2], angle: f64 },
    #[serde(rename = "scanpointgenerator:roi/LinearROI:1.0")]
    Linear { start: [f64; 2], length: f64, angle: f64 },
    #[serde(rename = "scanpointgenerator:roi/PointROI:1.0")]
    Point { point: [f64; 2] },
    #[serde(rename = "scanpointgenerator:roi/PolygonalROI:1.0")]
    Polygonal { points_x: Vec<f64>, points_y: Vec<f64> },
    #[serde(rename = "scanpointgenerator:roi/RectangularROI:1.0")]
    Rectangular { start: [f64; 2], width: f64, height: f64, angle: f64 },
    /// The inner radius may be 0; angles may be in any order and turn.
    #[serde(rename = "scanpointgenerator:roi/SectorROI:1.0")]
    Sector { centre: [f64; 2], radii: [f64; 2], angles: [f64; 2] },
}

impl Roi {
    pub(super) fn parse(value: &Value, at: At) -> Result<Self, SpecError> {
        let typed = Typed::new(value, at, ("roi", ROIS))?;
        match typed.kind {
            RoiKind::Circular => {
                let fields = typed.fields(&["centre", "radius"])?;
                Ok(Self::Circular {
                    centre: fields.pair("centre")?,
                    radius: fields.positive("radius")?,
                })
            }
            RoiKind::Elliptical => {
                let fields = typed.fields(&["centre", "semiaxes", "angle"])?;
                let semiaxes = fields.pair("semiaxes")?;
                if semiaxes.iter().any(|length| *length <= 0.0) {
                    let value = format!("{semiaxes:?}");
                    let rule = "is no ellipse: both semiaxes must be greater than 0";
                    return Err(SpecError::new(&fields.at.field("semiaxes"), value, rule));
                }
                let angle = fields.number_or("angle", 0.0)?;
                Ok(Self::Elliptical { centre: fields.pair("centre")?, semiaxes, angle })
            }
            RoiKind::Linear => {
                let fields = typed.fields(&["start", "length", "angle"])?;
                Ok(Self::Linear {
                    start: fields.pair("start")?,
                    length: fields.positive("length")?,
                    angle: fields.number("angle")?,
                })
            }
            RoiKind::Point => Ok(Self::Point { point: typed.fields(&["point"])?.pair("point")? }),
            RoiKind::Polygonal => polygonal(&typed),
            RoiKind::Rectangular => {
                let fields = typed.fields(&["start", "width", "height", "angle"])?;
                Ok(Self::Rectangular {
                    start: fields.pair("start")?,
                    width: fields.positive("width")?,
                    height: fields.positive("height")?,
                    angle: fields.number_or("angle", 0.0)?,
                })
            }
            RoiKind::Sector => sector(&typed),
        }
    }

    /// The region of two axes, given by their places in the stack.
    pub(super) fn area(&self, axes: [usize; 2]) -> Area {
        match self {
            Self::Circular { centre, radius } => {
                Area::Circle { plane: Plane::new(axes, *centre), radius: *radius }
            }
            Self::Elliptical { centre, semiaxes, angle } => Area::EllipseOfSquares {
                plane: Plane::new(axes, *centre).turned(*angle),
                radii: *semiaxes,
            },
            Self::Linear { start, length, angle } => Area::Segment {
                plane: Plane::new(axes, *start),
                line: Segment::new(*length, *angle),
            },
            Self::Point { point } => Area::Point { axes, point: *point },
            Self::Polygonal { points_x, points_y } => Area::Polygon {
                axes,
                vertices: points_x.iter().zip(points_y).map(|(x, y)| [*x, *y]).collect(),
            },
            Self::Rectangular { start, width, height, angle } => Area::Rectangle {
                plane: Plane::new(axes, *start).turned(*angle),
                size: [*width, *height],
            },
            Self::Sector { centre, radii, angles } => Area::Sector {
                plane: Plane::new(axes, *centre),
                sector: Sector::new(*radii, *angles),
            },
        }
    }
}

fn polygonal(typed: &Typed<RoiKind>) -> Result<Roi, SpecError> {
    let fields = typed.fields(&["points_x", "points_y"])?;
    let (points_x, points_y) = (fields.all_numbers("points_x")?, fields.all_numbers("points_y")?);
    if points_x.len() < 3 {
        let value = format!("a list of {}", points_x.len());
        let rule = "is too short: a polygon has at least 3 vertices";
        return Err(SpecError::new(&fields.at.field("points_x"), value, rule));
    }
    if points_x.len() != points_y.len() {
        let value = format!("a list of {}", points_y.len());
        let rule = format!("does not fit: there must be as many as points_x, {}", points_x.len());
        return Err(SpecError::new(&fields.at.field("points_y"), value, rule));
    }
    Ok(Roi::Polygonal { points_x, points_y })
}

fn sector(typed: &Typed<RoiKind>) -> Result<Roi, SpecError> {
    let fields = typed.fields(&["centre", "radii", "angles"])?;
    let radii = fields.pair("radii")?;
    if radii[0] < 0.0 || radii[1] < radii[0] || radii[1] <= 0.0 {
        let value = format!("{radii:?}");
        let rule = "is no sector: the first must not be negative, the second greater than 0 and \
                    not less than the first";
        return Err(SpecError::new(&fields.at.field("radii"), value, rule));
    }
    Ok(Roi::Sector { centre: fields.pair("centre")?, radii, angles: fields.pair("angles")? })
}
