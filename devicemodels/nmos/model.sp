* n-channel transistor, static equations of level 1. Node t carries v_gst: how far the gate is above the threshold.
.subckt nmos d g s b params: w=1e-6 l=0.18e-6 vto=0.5 kp=122e-6 gamma=0.53 phi=0.8 lam=0.0
.param beta={kp*w/l} sarg={sqrt(phi)} flat={vto-gamma*sqrt(phi)}
Bt 0 t i = max(0,v(g)-min(v(d),v(s))-({flat})
+ -({gamma})*max(0,sqrt(({phi})+max(0,min(v(d),v(s))-v(b)))-max(0,v(b)-min(v(d),v(s)))/(2*({sarg}))))
Rt t 0 1
Bd d s i = v(d,s) >= 0
+ ? ({beta})*(1+({lam})*v(d,s))*min(v(d,s),v(t))*(v(t)-min(v(d,s),v(t))/2)
+ : -({beta})*(1+({lam})*v(s,d))*min(v(s,d),v(t))*(v(t)-min(v(s,d),v(t))/2)
.ends nmos
